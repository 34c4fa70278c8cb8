"""The fleet server: knows whether every site is ready, and lets people act on it."""
