"""One site."""
