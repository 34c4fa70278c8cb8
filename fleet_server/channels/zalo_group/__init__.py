"""A group on Zalo."""
