"""Machines that want in."""
