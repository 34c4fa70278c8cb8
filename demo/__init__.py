"""A believable province on one machine: a broker, the server, and rooms whose agents are real and equipment is not."""
