"""Real counterparts as fixtures use them."""
