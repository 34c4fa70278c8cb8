"""A camera on the PC's USB."""
