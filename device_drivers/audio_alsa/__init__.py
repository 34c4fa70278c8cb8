"""Microphone and speakers of the room's PC."""
