"""Checks that need an act of a device: asked for at the stages of a session, and by people."""
