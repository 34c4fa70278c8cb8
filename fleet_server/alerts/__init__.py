"""Incidents, who is told of them, and how it reaches them."""
