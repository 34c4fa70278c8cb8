"""What is wrong at the centre: the broker is out of reach, a channel does not work, many rooms are away at once."""

from collections.abc import Callable

from fleet_server.channels.registry import channels
from fleet_server.domain.causes import Cause, Found
from fleet_server.domain.findings import Outcome
from fleet_server.domain.outages import CAUSE
from fleet_server.domain.setbacks import Key

_BROKER: Key = ("broker", "")
CHANNEL = "channel_down"
_BACKUP: Key = ("backup_old", "")
OF_SESSIONS = frozenset({_BROKER[0], CAUSE.key[0]})
"""What takes a session along: it matters as much as any session does."""
CHECKS = frozenset({*OF_SESSIONS, CHANNEL, _BACKUP[0]})
"""What stands in the place of a check where something is wrong here."""


class CentreHealth:
    """Told by whoever notices; the watch asks once in each round."""

    def __init__(self, is_connected: Callable[[], bool], overdue_h: Callable[[], float | None]) -> None:
        """`is_connected`: whether the broker has us; `overdue_h`: hours since the last backup, where it is overdue."""
        self._is_connected, self._overdue_h = is_connected, overdue_h
        self._channels: dict[str, str] = {}

    @property
    def down(self) -> frozenset[str]:
        """Channels that do not work."""
        return frozenset(self._channels)

    def failed(self, channel: str, why: str) -> None:
        """Nothing goes out by it."""
        self._channels.setdefault(channel, why)

    def works(self, channel: str) -> None:
        """Something went out by it."""
        self._channels.pop(channel, None)

    def why(self, channel: str) -> str:
        """What it said; empty where it works."""
        return self._channels.get(channel, "")

    def found(self, outage: frozenset[str]) -> Found:
        """As of a room."""
        causes: dict[Key, Cause] = {}
        if not self._is_connected():
            causes[_BROKER] = Cause(_BROKER, Outcome.FAIL, True, "", "broker")
        for channel, why in self._channels.items():
            key = (CHANNEL, channel)
            causes[key] = Cause(key, Outcome.FAIL, True, "", CHANNEL, {"channel": channel, "why": why})
        if (hours := self._overdue_h()) is not None:
            causes[_BACKUP] = Cause(_BACKUP, Outcome.FAIL, True, "", _BACKUP[0], {"hours": float(hours // 12 * 12)})
        if outage:
            causes[CAUSE.key] = Cause(CAUSE.key, Outcome.FAIL, True, "", CAUSE.says, {"count": float(len(outage))})
        asked = {_BROKER, _BACKUP, CAUSE.key, *((CHANNEL, name) for name in channels())}
        return Found(causes, frozenset(asked - causes.keys()))
