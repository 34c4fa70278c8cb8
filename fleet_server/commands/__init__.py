"""Commands: asked, sent, answered."""
