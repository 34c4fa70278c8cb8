"""The certificate is renewed in good time, with a new key; the old one serves until the new one has connected."""

import hashlib
import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Event

from msgspec import Struct

from edge_agent.clock_trust import ClockTrust
from edge_agent.identity import IdentityKeeper, Pair
from edge_agent.link import RoomLink
from wire.ids import uuid7
from wire.messages import Certificate, Config, Renewal
from wire.times import Clock

log = logging.getLogger("diemcau.renewal")

_LOOK_EVERY_S = 5.0
_ASK_AGAIN_S = 60.0
_SPREAD = timedelta(days=1)
_MAKE_WITHIN_S = 60.0


class _Asked(Struct):
    """A request that has not been answered."""

    renewal: Renewal
    pair: str
    sent_s: float = float("-inf")


class Renewals:
    """`run` is a thread of its own; `answered` and `told` are called by the inbox."""

    def __init__(
        self, keeper: IdentityKeeper, link: RoomLink, clock: Clock, trust: ClockTrust,
        request_of: Callable[[Path], str] | None = None,
    ) -> None:  # fmt: skip
        """`request_of`: makes a key in this file and returns the request for its certificate."""
        self._request_of = request_of or request_by_program
        self._keeper, self._link, self._clock, self._trust = keeper, link, clock, trust
        self._asked: _Asked | None = None
        self._authority: tuple[str, float] | None = None
        """The one that issues now, and when (monotonic) we shall want a certificate of it."""

    def told(self, config: Config) -> None:
        """Who issues certificates now; the rooms come for theirs one after the other."""
        if config.authority and (self._authority is None or self._authority[0] != config.authority):
            wait_s = config.renewal_spread_s * share_of(f"{config.site} {config.authority}")
            self._authority = config.authority, self._clock.monotonic() + wait_s

    def answered(self, answer: Certificate) -> None:
        """The centre's answer to what we asked; any other is none."""
        asked = self._asked
        if asked is not None and asked.renewal.id == answer.renewal:
            self._keeper.renewed(asked.pair, answer)
            self._asked = None  # after it: between the two `run` would see nothing that waits, and ask once more
            log.info("certificate_renewed authority=%s renew_after=%s", answer.authority, answer.renew_after)
            self._link.reconnect()

    def run(self, stop: Event, beat: Callable[[], None]) -> None:
        """Request when it is time, and again until there is an answer."""
        while not stop.is_set():
            beat()
            self.check()
            stop.wait(_LOOK_EVERY_S)

    def check(self) -> None:
        """Publish a request where a certificate is due and none has been answered within a minute."""
        known = self._keeper.identity
        is_free = known.waiting is None or self._is_given_up(known.waiting)
        if self._asked is None and known.pair is not None and is_free and self._is_due(known.pair):
            self._asked = self._new()
        asked = self._asked
        now_s = self._clock.monotonic()
        if asked and now_s - asked.sent_s >= _ASK_AGAIN_S and self._link.say_renewal(asked.renewal):
            asked.sent_s = now_s

    def _is_given_up(self, waiting: Pair) -> bool:
        """Whether it is of an authority that issues no more: it may never connect."""
        return self._authority is not None and self._authority[0] != waiting.authority

    def _is_due(self, pair: Pair) -> bool:
        """By the centre's time: this machine's own may be weeks behind, and the certificate would run out."""
        issues = self._authority
        if issues is not None and issues[0] != pair.authority and self._clock.monotonic() >= issues[1]:
            return True
        now, share = self._trust.time(), share_of(f"{self._keeper.identity.site} {pair.name}")
        return now is not None and now >= pair.renew_after + _SPREAD * share

    def _new(self) -> _Asked:
        name = uuid7()
        self._keeper.expects(name)
        return _Asked(Renewal(uuid7(), self._request_of(self._keeper.folder / f"{name}.key")), name)


def request_by_program(key_file: Path) -> str:
    """A key and a request, made by a process that takes its memory away with it."""
    made = subprocess.run(
        [sys.executable, "-m", "edge_agent.certificate_request", str(key_file)],
        capture_output=True, text=True, timeout=_MAKE_WITHIN_S, check=True,
    )  # fmt: skip
    return made.stdout


def share_of(text: str) -> float:
    """A number from 0 to 1 that is always the same for a text, and spread evenly over many."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 0xFFFFFFFF
