"""Where to look for equipment that nobody has configured, and how to ask everybody there at once."""

import ipaddress
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Annotated

from msgspec import Meta, Struct

from device_drivers.mdns import named_in, question

_MOST_BYTES = 65_536
_MOST_ANSWERS = 512
_MDNS = (5353, "224.0.0.251")
_Address = Annotated[str, Meta(pattern=r"^[0-9.]{7,15}$")]


class Area(Struct, frozen=True, forbid_unknown_fields=True):
    """The network that a room's equipment is on; questions go there and nowhere else."""

    broadcast: Annotated[tuple[_Address, ...], Meta(max_length=8)] = ("255.255.255.255",)
    """Where datagrams for everybody go; a single address asks that one alone."""
    multicast: bool = True
    """Whether multicast groups are asked too; else what they would be asked goes to `broadcast`."""
    wait_s: Annotated[float, Meta(gt=0, le=30)] = 3.0
    """How long answers are waited for."""
    ports: Mapping[str, int] = {}
    """Other ports than the usual ones, by their number as a text, for networks that translate them."""

    def port(self, usual: int) -> int:
        """The port to ask at."""
        return self.ports.get(str(usual), usual)

    def at_home(self, address: str) -> bool:
        """Whether an answer may come from there: whoever answers from elsewhere was not asked."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return found.is_private or found.is_link_local or found.is_loopback


def ask_everybody(
    area: Area, datagram: bytes, port: int, group: str | None = None, wait_s: float | None = None
) -> Iterator[tuple[bytes, str]]:
    """Answers to one datagram with the address each came from, until the time is up; `group`: of its multicast.

    A network that cannot be asked gives no answer.
    """
    targets = (
        [(group, port)] if group is not None and area.multicast else [(to, area.port(port)) for to in area.broadcast]
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        line.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        line.bind(("", 0))
        for target in targets:
            try:
                line.sendto(datagram, target)
            except OSError:
                continue  # no route for this one; the others are asked all the same
        until_s = time.monotonic() + (area.wait_s if wait_s is None else wait_s)
        for _ in range(_MOST_ANSWERS):
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return
            line.settimeout(left_s)
            try:
                answer, sender = line.recvfrom(_MOST_BYTES)
            except OSError:
                return
            if area.at_home(sender[0]):
                yield answer, sender[0]


class Service(Struct, frozen=True):
    """One instance of a service that multicast DNS has named, at the address that said so."""

    name: str
    host: str
    port: int


def services(area: Area, kind: str) -> Iterator[Service]:
    """Instances of a service such as `_axis-video._tcp.local`, by a one-shot question (RFC 6762, 5.1)."""
    for answer, sender in ask_everybody(area, question(kind), *_MDNS):
        for found in named_in(answer, kind):
            if found.port:
                yield Service(found.instance[:120], sender, found.port)
