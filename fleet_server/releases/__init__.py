"""Releases for rooms: kept, offered in waves, fetched by the rooms over their own connection."""
