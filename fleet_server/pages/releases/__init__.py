"""Releases on their way to the rooms."""
