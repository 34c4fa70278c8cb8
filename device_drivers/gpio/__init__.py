"""Pins of a single-board computer or an expander, for the drivers that stand on them."""
