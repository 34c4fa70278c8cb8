"""Users: how they come in, what they may use, what is recorded of them."""
