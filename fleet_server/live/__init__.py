"""Changes, as a stream for browsers."""
