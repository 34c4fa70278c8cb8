"""What comes down is let in only when the centre has signed it, for this site and for this life of the agent.

Whatever else arrives has no effect at all: no step of a command, for a stranger could end a command by its id. It is
counted, and the room's log says so, for each reason once in a while.
"""

import logging
from collections import Counter
from datetime import datetime, timedelta

from edge_agent.clock_trust import MAY_DIFFER_S, ClockTrust
from edge_agent.identity import IdentityKeeper
from edge_agent.log import RoomLog
from wire.codec import decode
from wire.errors import NotForUs, WireError
from wire.messages import LONGEST_COMMAND_S, Ack, Certificate, Command, Config, Message
from wire.mqtt import Received
from wire.signing import PinnedKeys
from wire.times import Clock
from wire.topics import parse

log = logging.getLogger("diemcau.admission")

_SAY_AGAIN_S = 60.0


class Admission:
    """Used by the inbox's thread alone."""

    def __init__(
        self, keeper: IdentityKeeper, boot_id: str, room_log: RoomLog, clock: Clock, trust: ClockTrust
    ) -> None:  # fmt: skip
        """Raises Unsigned when a pinned key is none."""
        self._keeper, self._boot_id, self._log, self._clock = keeper, boot_id, room_log, clock
        self._trust = trust
        self._pinned = keeper.identity.signing_keys
        self._keys = PinnedKeys(self._pinned)
        self.refused: Counter[str] = Counter()
        self._said: dict[str, tuple[float, int]] = {}

    def let_in(self, received: Received) -> Message | None:
        """The message, or None for one that must have no effect."""
        try:
            return self._read(received)
        except WireError as error:
            self._refuse(error.reason if isinstance(error, NotForUs) else error.key.removeprefix("wire."), error)
            return None

    def _read(self, received: Received) -> Message:
        site, kind = parse(received.topic)
        if self._keeper.identity.signing_keys is not self._pinned:
            keys = PinnedKeys(self._keeper.identity.signing_keys)
            self._pinned, self._keys = self._keeper.identity.signing_keys, keys
        message = decode(kind, self._keys.open(kind, received.payload))
        own = self._keeper.identity
        if not isinstance(message, Ack | Command | Config | Certificate) or {site, message.site} != {own.site}:
            raise NotForUs("wrong_site", f"{kind} for another site than {own.site}")
        if isinstance(message, Command):
            self._look_at(message, received)
        if isinstance(message, Config) and own.config_at is not None and message.at < own.config_at:
            if self._is_yet_to_come(own.config_at):
                return message
            raise NotForUs("older_config", f"configuration of {message.at}, older than that of {own.config_at}")
        return message

    def _is_yet_to_come(self, said_at: datetime) -> bool:
        """Whether the centre's clock was ahead then, as its signed answers show: nothing newer could be said."""
        return self._trust.is_trusted() and said_at > self._clock.now() + timedelta(seconds=2 * MAY_DIFFER_S)

    def _look_at(self, command: Command, received: Received) -> None:
        if received.retained:
            raise NotForUs("retained", f"command {command.id} was retained by the broker, which none ever is")
        if command.boot_id != self._boot_id:
            raise NotForUs("old_epoch", f"command {command.id} is for an earlier life of this agent")
        if (command.expires_at - command.not_before).total_seconds() > LONGEST_COMMAND_S:
            raise NotForUs("lives_too_long", f"command {command.id} would live longer than {LONGEST_COMMAND_S} s")

    def _refuse(self, reason: str, error: WireError) -> None:
        """In the log at once, then once a minute with how many there were."""
        self.refused[reason] += 1
        now_s = self._clock.monotonic()
        said_s, said = self._said.get(reason, (float("-inf"), 0))
        if now_s - said_s >= _SAY_AGAIN_S:
            self._said[reason] = now_s, self.refused[reason]
            self._log.event("message_refused", reason=reason, count=self.refused[reason] - said)
            log.warning("message_refused reason=%s error=%s", reason, error)
