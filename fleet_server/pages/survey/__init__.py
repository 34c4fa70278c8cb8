"""What one room has, typed in on a phone."""
