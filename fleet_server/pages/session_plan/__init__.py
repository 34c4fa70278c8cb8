"""A session that is planned anew: moved, changed, copied, rehearsed, cancelled."""
