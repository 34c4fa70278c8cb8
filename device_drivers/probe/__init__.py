"""Equipment that offers nothing but an open port or a web page."""
