"""The minutes of a session."""
