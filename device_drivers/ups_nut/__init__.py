"""UPSes behind the upsd of Network UPS Tools."""
