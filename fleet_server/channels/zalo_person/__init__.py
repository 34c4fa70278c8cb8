"""A person on Zalo who has written to the account within seven days."""
