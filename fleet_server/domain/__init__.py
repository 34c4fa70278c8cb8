"""The rules. Pure: no I/O, no clock of its own, no framework."""
