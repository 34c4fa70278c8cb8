"""The state of the fleet in memory."""
