"""Projectors and displays that speak PJLink."""
