"""Where whoever is written to ends it."""
