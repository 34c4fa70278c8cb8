"""One file for each thing that is looked at: `look(settings, now)` gives findings."""
