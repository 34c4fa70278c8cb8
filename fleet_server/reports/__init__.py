"""Reports over months."""
