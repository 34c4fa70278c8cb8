"""The keys by which rooms know that it is their centre who speaks."""
