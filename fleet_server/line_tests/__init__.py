"""Measuring lines: who may, how much, and what was found."""
