"""A program of others, by HTTPS."""
