"""Network cameras that speak ONVIF."""
