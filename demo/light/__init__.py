"""Light rooms: agents whose equipment is data. Any number of them live in one process on one event loop.

The wire is the real one: each room has a connection, a certificate and topics of its own. Identity, log, journal,
admission, commands, reports and renewals are the agent's own classes; only the devices are not there.
"""
