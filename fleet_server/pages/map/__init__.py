"""The readiness map."""
