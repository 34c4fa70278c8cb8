"""The light of the room: bright enough to see the citizen, and switched by a relay."""
