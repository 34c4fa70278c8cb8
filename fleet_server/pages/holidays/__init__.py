"""Days on which nobody works."""
