"""Backups, and the one server that may use a folder."""
