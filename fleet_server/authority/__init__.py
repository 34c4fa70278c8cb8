"""The authorities that give rooms, broker and server their certificates."""
