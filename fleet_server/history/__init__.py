"""How rooms were, written down as it happens."""
