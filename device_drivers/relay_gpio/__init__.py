"""Relays and contacts on the pins of a single-board computer."""
