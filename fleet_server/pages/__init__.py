"""The pages: one folder each, found by being there; complete without JavaScript, live with it."""
