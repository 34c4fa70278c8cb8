"""The room's line to the centre."""
