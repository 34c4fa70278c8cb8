"""What a message's link leads to."""
