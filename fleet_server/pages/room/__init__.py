"""One room on the telephone of whoever was sent a link for it."""
