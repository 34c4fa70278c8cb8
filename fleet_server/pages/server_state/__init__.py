"""The banner that says how the server is."""
