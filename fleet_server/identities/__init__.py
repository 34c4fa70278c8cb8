"""How rooms get their identity, keep it and lose it."""
