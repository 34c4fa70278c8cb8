"""From survey to service: what a room has, what it should be, how far it has come."""
