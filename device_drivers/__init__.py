"""Drivers: one folder for each kind of equipment, found by being there."""
