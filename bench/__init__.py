"""Figures: one file each prints one JSON line a figure."""
