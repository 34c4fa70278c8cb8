"""One file for each kind of message that rooms send, found by being there."""
