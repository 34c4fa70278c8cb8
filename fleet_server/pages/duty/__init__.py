"""One room on the phone of whoever looks after it."""
