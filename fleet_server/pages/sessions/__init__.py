"""All sessions, and a new one."""
