"""Agents without equipment: identity, link and renewals are the real ones. As a program, a process full of them."""

import argparse
import json
import queue
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from edge_agent.certificate_request import new_request
from edge_agent.clock_trust import ClockTrust
from edge_agent.identity import FOLDER, IdentityKeeper
from edge_agent.link import RoomLink
from edge_agent.renewal import Renewals
from tests.counterparts.spoken_room import about_of_room, report_of_room
from wire.codec import decode
from wire.errors import WireError
from wire.ids import uuid7
from wire.messages import Certificate, Config
from wire.signing import PinnedKeys
from wire.times import SystemClock
from wire.topics import parse

_REPORT_EVERY_S = 10.0
_ABOUT = about_of_room()


class LightAgent:
    """A healthy room. `changes` holds each coming and going of its connection, on the monotonic clock."""

    def __init__(self, home: Path, request_of: Callable[[Path], str] | None = None) -> None:
        self.keeper = IdentityKeeper(home / FOLDER)
        self.boot_id = uuid7()
        self._seq, self._reported_s = 0, float("-inf")
        self.link = _TimedLink(self.keeper, self.boot_id, "0", self._introduce)
        self.changes = self.link.changes
        clock = SystemClock()
        trust = ClockTrust(clock)  # it says no log by which the centre could tell it the time: its own clock is right
        trust.asked(1)
        trust.answered(1, clock.now())
        self._renewals = Renewals(self.keeper, self.link, clock, trust, request_of)
        self._keys = PinnedKeys(self.keeper.identity.signing_keys)
        self._stop = threading.Event()
        work = (
            lambda: self.link.run(self._stop, _no_beat),
            lambda: self._renewals.run(self._stop, _no_beat),
            self._read,
        )
        self._threads = [threading.Thread(target=each) for each in work]

    def start(self) -> "LightAgent":
        """Begin to connect."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Say goodbye and end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(15)
            assert not thread.is_alive()
        self.keeper.close()

    @property
    def authority(self) -> str:
        """The one that has issued the certificate in use; nothing while another one waits to be used."""
        known = self.keeper.identity
        return known.pair.authority if known.pair is not None and known.waiting is None else ""

    def longest_away_s(self) -> float:
        """The longest time for which it was not connected, since it first was."""
        away_s, gone_s = 0.0, None
        for at_s, up in list(self.changes):
            if not up:
                gone_s = at_s
            elif gone_s is not None:
                away_s, gone_s = max(away_s, at_s - gone_s), None
        return max(away_s, time.monotonic() - gone_s) if gone_s is not None and not self._stop.is_set() else away_s

    def _introduce(self) -> None:
        self.link.say_about(_ABOUT)
        self._report()

    def _report(self) -> None:
        self._seq, self._reported_s = self._seq + 1, time.monotonic()
        self.link.say_report(report_of_room(_ABOUT, self.boot_id, self._seq))

    def _read(self) -> None:
        while not self._stop.is_set():
            if time.monotonic() - self._reported_s >= _REPORT_EVERY_S:
                self._report()
            try:
                received = self.link.inbox.get(timeout=1.0)
            except queue.Empty:
                continue
            _, kind = parse(received.topic)
            try:
                message = decode(kind, self._keys.open(kind, received.payload))
            except WireError:
                message = None
            if isinstance(message, Config):
                self._renewals.told(message)
            elif isinstance(message, Certificate):
                self._renewals.answered(message)
            self.link.acknowledge(received)


class _TimedLink(RoomLink):
    """Notes when the connection comes and goes."""

    changes: list[tuple[float, bool]]

    def __init__(self, *given: object) -> None:
        self.changes = []
        super().__init__(*given)  # type: ignore[arg-type]

    def _changed(self, up: bool) -> None:
        self.changes.append((time.monotonic(), up))
        super()._changed(up)


def _no_beat() -> None:
    pass


def main() -> None:
    """Run the agents of these folders until SIGTERM; what became of them is in a file, twice a second."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--says", type=Path, required=True)
    parser.add_argument("homes", nargs="+", type=Path)
    given = parser.parse_args()
    threading.stack_size(256 * 1024)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # Five hundred programs that make keys would take two cores for minutes.
    agents = [LightAgent(home, new_request).start() for home in given.homes]
    while not stop.wait(0.5):
        said = {
            "connected": sum(agent.link.is_connected for agent in agents),
            "authorities": Counter(agent.authority for agent in agents),
            "comings": sum(up for agent in agents for _, up in list(agent.changes)),
            "longest_away_s": max(agent.longest_away_s() for agent in agents),
        }
        new = given.says.with_suffix(".new")
        new.write_text(json.dumps(said))
        new.replace(given.says)
    enders = [threading.Thread(target=agent.stop) for agent in agents]
    for ender in enders:
        ender.start()
    for ender in enders:
        ender.join()


if __name__ == "__main__":
    main()
