"""The streams of admitted tests: each ticket is good for one of each way, paced, and cut when it must yield."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from typing import Literal

from msgspec import Struct
from starlette.requests import ClientDisconnect

from fleet_server.errors import Conflict, NotFound
from fleet_server.line_tests.meter import Meter
from wire.probe import LONGEST_S, STREAM_BYTES
from wire.times import Clock

Way = Literal["down", "up"]
_SLOW_START_S = 0.5
_GRACE_S = 1.0
"""What is on its way when the time is up may still come in."""


class Ticket:
    """Leave for one room to measure, at so much a second, for so long each way."""

    def __init__(self, test: str, mbit_s: float, seconds: float, clock: Clock) -> None:
        self.secret = secrets.token_urlsafe(24)
        self.test, self.mbit_s, self.seconds = test, mbit_s, min(seconds, LONGEST_S)
        self.down, self.up = Meter(mbit_s, clock), Meter(mbit_s, clock)
        self.is_cut = asyncio.Event()
        self.used: set[Way] = set()


class Taken(Struct, frozen=True):
    """What came up: bytes after the slow start over their seconds."""

    mbit_s: float
    seconds: float
    cut: bool


class Tickets:
    """All tickets in force, and the two ways of the hub's line that they share."""

    def __init__(self, share_mbit_s: float, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, Ticket] = {}
        self.down, self.up = Meter(share_mbit_s, clock), Meter(share_mbit_s, clock)

    def issue(self, test: str, mbit_s: float, seconds: float) -> Ticket:
        """A new one."""
        ticket = Ticket(test, mbit_s, seconds, self._clock)
        self._known[ticket.secret] = ticket
        return ticket

    def withdraw(self, test: str) -> None:
        """No more bytes for this test."""
        for secret in [secret for secret, ticket in self._known.items() if ticket.test == test]:
            self._known.pop(secret).is_cut.set()

    def use(self, secret: str, way: Way) -> Ticket:
        """The ticket, for this way once. Raises NotFound or Conflict."""
        ticket = self._known.get(secret)
        if ticket is None:
            raise NotFound("line_tests.no_ticket")
        if way in ticket.used:
            raise Conflict("line_tests.ticket_used")
        ticket.used.add(way)
        return ticket

    async def bytes_down(self, ticket: Ticket) -> AsyncIterator[bytes]:
        """Noise at the ticket's rate until its time is up or it is cut."""
        block = os.urandom(STREAM_BYTES)
        until_s = self._clock.monotonic() + ticket.seconds
        while self._clock.monotonic() < until_s and not ticket.is_cut.is_set():
            await ticket.down.passes(len(block))
            await self.down.passes(len(block))
            yield block

    async def take_up(self, ticket: Ticket, body: AsyncIterator[bytes]) -> Taken:
        """Read at the ticket's rate until the room ends it, its time is up, or it is cut."""
        began_s = self._clock.monotonic()
        until_s = began_s + ticket.seconds + _GRACE_S
        slow_s = min(_SLOW_START_S, ticket.seconds / 4)
        counted, counted_from_s, last_s = 0, began_s, began_s
        while (chunk := await self._next(ticket, body, until_s)) is not None:
            await ticket.up.passes(len(chunk))
            await self.up.passes(len(chunk))
            last_s = self._clock.monotonic()
            if last_s - began_s < slow_s:
                counted_from_s = last_s
            else:
                counted += len(chunk)
            if last_s >= until_s or ticket.is_cut.is_set():
                break
        mbit_s = counted * 8 / 1e6 / max(last_s - counted_from_s, 0.001)
        return Taken(round(mbit_s, 2), round(last_s - began_s, 1), ticket.is_cut.is_set())

    async def _next(self, ticket: Ticket, body: AsyncIterator[bytes], until_s: float) -> bytes | None:
        """What comes next; None when the room has ended it or left, the time is up, or it is cut: a room that says
        nothing holds nobody up."""
        chunk, cut = asyncio.ensure_future(_first_of(body)), asyncio.ensure_future(ticket.is_cut.wait())
        try:
            left_s = max(0.0, until_s - self._clock.monotonic())
            await asyncio.wait((chunk, cut), timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            return chunk.result() if chunk.done() else None
        finally:
            for waiting in (chunk, cut):
                waiting.cancel()


async def _first_of(body: AsyncIterator[bytes]) -> bytes | None:
    try:
        return await anext(body)
    except (StopAsyncIteration, ClientDisconnect):
        return None
