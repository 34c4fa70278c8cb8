"""Releases: made where there is Internet, installed where there is none. `install` needs but Python and openssl."""
