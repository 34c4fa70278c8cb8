"""Which channels there are."""

from functools import cache

from fleet_server.channels.channel import Channel
from fleet_server.discovery import modules_in


@cache
def channels() -> dict[str, type[Channel]]:
    """Name -> class, of every folder here that has a channel."""
    found = (module.CHANNEL for module in modules_in("fleet_server.channels", "channel"))
    return {kind.NAME: kind for kind in found}
