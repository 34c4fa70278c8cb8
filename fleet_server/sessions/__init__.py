"""Sessions: planned, judged, decided."""
