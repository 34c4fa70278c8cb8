"""The broker's outer door as a test watches it: who is let in, who was taken away, what a room is given there."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent.certificate_request import new_request
from edge_agent.identity import FOLDER, write_private
from tests.counterparts.guarded import GuardedFleet
from tests.counterparts.identity import PUBLIC
from tests.counterparts.visitor import Visitor, proof_in
from tests.counterparts.waiting import wait_for
from wire.codec import decode, encode
from wire.ids import uuid7
from wire.messages import Certificate, Renewal
from wire.signing import PinnedKeys
from wire.tls import Tls
from wire.topics import Said, Told, one_room, topic_of

_KEYS = PinnedKeys(PUBLIC)


def connections_of(fleet: GuardedFleet, site: str) -> int:
    """How often a machine of this site came in by the outer door, as the broker says."""
    return len(re.findall(rf"New client connected from \S+ as {site} \(.*u'{site}'\)", fleet.broker_says()))


def kicks_of(fleet: GuardedFleet, site: str) -> int:
    """How often the server took its connection."""
    return len(re.findall(rf"New client connected from \S+ as {site} \(.*u'fleet_server'\)", fleet.broker_says()))


def is_out(fleet: GuardedFleet, site: str, proof: Tls) -> bool:
    """Whether the broker's outer door stays shut to whoever has this, and once more: another may just have taken it."""
    for _ in range(2):
        tried = Visitor(fleet.outer_port, site, proof)
        let_in = tried.is_in
        tried.leave()
        if let_in:
            return False
    return True


def enters(fleet: GuardedFleet, site: str, home: Path) -> Visitor:
    """Somebody with a room's certificate who listens to what it is told."""
    room = Visitor(fleet.outer_port, site, proof_in(home))
    assert room.is_in, room.refusal
    room.listen(one_room(site))
    return room


def asks(room: Visitor, renewal: Renewal) -> None:
    """A room asks for a certificate."""
    assert room.say(topic_of(room.name, Said.RENEWAL), encode(renewal)) == "Success"


def given(room: Visitor) -> list[Certificate]:
    """The certificates that a room was given, each answer of its own."""
    found = [decode(Told.CERTIFICATE, _KEYS.open(Told.CERTIFICATE, said)) for said in room.told(Told.CERTIFICATE)]
    return [each for each in found if isinstance(each, Certificate)]


class Insistent:
    """A machine that asks for one certificate after the other."""

    def __init__(self, room: Visitor, home: Path) -> None:
        self.room, self._folder = room, home / FOLDER
        self._request = new_request(self._folder / "insistent.key")
        self._over = threading.Event()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """As long as the block lasts; it begins with the first answer."""
        asks_on = threading.Thread(target=self._ask_on)
        asks_on.start()
        try:
            wait_for(lambda: given(self.room), 10, "it gets none at all")
            yield
        finally:
            self._over.set()
            asks_on.join(70)

    def good_ones(self, fleet: GuardedFleet) -> list[int]:
        """The number of each certificate that opens the door by now."""
        return [number for number, answer in enumerate(given(self.room)) if not self._is_out(fleet, number, answer)]

    def _ask_on(self) -> None:
        while self.room.is_in and not self._over.wait(0.02):
            renewal = Renewal(uuid7(), self._request)
            self.room.say(topic_of(self.room.name, Said.RENEWAL), encode(renewal))

    def _is_out(self, fleet: GuardedFleet, number: int, answer: Certificate) -> bool:
        file = self._folder / f"insistent-{number}.pem"
        write_private(file, answer.certificate)
        return is_out(fleet, self.room.name, Tls(answer.authorities, str(file), str(self._folder / "insistent.key")))
