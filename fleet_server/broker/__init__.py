"""What the broker is told: its configuration, who may do what, who is out."""
