"""Recordings of one session."""
