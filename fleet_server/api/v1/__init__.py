"""The resources of version 1: one file each, found by being there."""
