"""A screen that is connected to the PC itself."""
