"""Who looks after the rooms of a session, and the links that they were sent."""
