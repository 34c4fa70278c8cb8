"""Says outward how sessions stand: retained at the broker, and to a webhook. What is said is signed, and the newest."""

import asyncio
import logging
import random
from collections.abc import Sequence
from datetime import timedelta

import httpx
from msgspec import Struct
from msgspec.structs import replace

from fleet_server.domain.gate import Waiver
from fleet_server.domain.sessions import Session, is_near
from fleet_server.failing import Failing
from fleet_server.link import FleetLink
from fleet_server.sessions.desk import SessionDesk
from fleet_server.sessions.gates import GateDesk
from fleet_server.store import decisions, sessions
from fleet_server.store.database import Database
from wire.announcements import GateNews
from wire.times import Clock

log = logging.getLogger("diemcau.sessions")

SIGNATURE = "DiemCau-Signature"
"""`ed25519.<key id>.<signature>`, over `diemcau/v1/gate`, a line end and the body."""
_EVERY_S = 1.0
_SELDOM_S = 30.0
"""A session that is hours away is looked at so often; one that is near, or decided on anew, at each look."""
_AHEAD = timedelta(hours=24)
_OUTLASTS = timedelta(hours=1)
_WITHIN_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 120.0


class _Standing(Struct):
    """What was last said of a session, and who has yet to hear it."""

    news: GateNews
    payload: bytes
    published: bool = False
    delivered: bool = False
    tries: int = 0
    next_try_s: float = 0.0


class NewsDesk:
    """Only the newest is ever said: an older word that nobody took is of no use to anybody."""

    def __init__(
        self, database: Database, sessions: SessionDesk, gates: GateDesk, link: FleetLink, clock: Clock,
        webhook: str | None,
    ) -> None:  # fmt: skip
        self._database, self._sessions, self._gates = database, sessions, gates
        self._link, self._clock, self._webhook = link, clock, webhook
        self._standing: dict[str, _Standing] = {}
        self._cancelled: dict[str, Session] = {}
        self._looked_s: dict[str, float] = {}
        self._calling: set[asyncio.Task[None]] = set()
        self._breaks = -1
        self._calls_fail = Failing(log, "webhook_failing", httpx.HTTPError)

    def cancelled(self, session: Session) -> None:
        """It is not among those to come any more, and the door sign should say so."""
        self._cancelled[session.id] = session

    async def run(self) -> None:
        """Say what has changed, for ever."""
        failing, has_looked_back = Failing(log, "news_failing"), False
        while True:
            with failing:
                if not has_looked_back:
                    await self._look_back()
                    has_looked_back = True
                await self._look()
            await asyncio.sleep(_EVERY_S)

    async def _look_back(self) -> None:
        """What was cancelled as we ended may not have been said."""
        now = self._clock.now()
        given_up = await self._database.read(lambda db: sessions.cancelled_before(db, now, now + _AHEAD))
        self._cancelled = {session.id: session for session in given_up} | self._cancelled

    async def _look(self) -> None:
        now, now_s = self._clock.now(), self._clock.monotonic()
        if self._link.breaks != self._breaks:
            self._breaks = self._link.breaks
            for standing in self._standing.values():
                standing.published = False
        coming = self._sessions.upcoming()
        # Also what was moved far away, of which we have said that it is near.
        near = [each for each in coming if each.starts_at - _AHEAD <= now or each.id in self._standing]
        decided, waived = await self._database.read(
            lambda db: (
                decisions.last_decisions(db, [each.id for each in near]),
                {each.id: decisions.waivers_of(db, each.id) for each in near},
            )
        )
        for session in near:
            row = decided.get(session.id)
            decision = row.decision if row is not None else "none"
            known = self._standing.get(session.id)
            is_new = known is None or known.news.decision != decision
            if is_new or is_near(session, now) or now_s - self._looked_s.get(session.id, 0.0) >= _SELDOM_S:
                self._looked_s[session.id] = now_s
                self._put(session, decision, waived[session.id])
        for id, session in list(self._cancelled.items()):
            if self._put(session, "cancelled"):
                del self._cancelled[id]
        for id, standing in list(self._standing.items()):
            if standing.news.ends_at + _OUTLASTS <= now:
                del self._standing[id]
                self._looked_s.pop(id, None)
                continue
            self._say(id, standing)

    def _put(self, session: Session, decision: str, waived: Sequence[Waiver] = ()) -> bool:
        """Whether it will be said, or was; else there is no connection, or nobody who signs."""
        gate = self._gates.judged(session, waived)
        news = GateNews(
            session.id, self._clock.now(), session.starts_at, session.ends_at, decision, gate.state,  # type: ignore[arg-type]
            len(gate.sites), sum(entry.admitted for entry in gate.sites), session.is_rehearsal,
        )  # fmt: skip
        known = self._standing.get(session.id)
        if known is not None and replace(known.news, at=news.at) == news:
            return True
        if (payload := self._link.signed(news)) is None:
            return False
        self._standing[session.id] = _Standing(news, payload)
        return True

    def _say(self, id: str, standing: _Standing) -> None:
        if not standing.published:
            lasts_s = (standing.news.ends_at + _OUTLASTS - self._clock.now()).total_seconds()
            standing.published = self._link.announce(standing.payload, id, max(1, round(lasts_s)))
        due = self._clock.monotonic() >= standing.next_try_s
        if self._webhook is not None and not standing.delivered and due:
            standing.tries += 1
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(standing.tries, 10))
            standing.next_try_s = self._clock.monotonic() + _WITHIN_S + random.uniform(0, pause_s)  # noqa: S311
            task = asyncio.get_running_loop().create_task(self._call(self._webhook, standing))
            self._calling.add(task)
            task.add_done_callback(self._calling.discard)

    async def _call(self, address: str, standing: _Standing) -> None:
        *signature, body = standing.payload.split(b".", 3)
        headers = {"Content-Type": "application/json", SIGNATURE: b".".join(signature).decode()}
        with self._calls_fail:
            async with httpx.AsyncClient(timeout=_WITHIN_S, follow_redirects=False, trust_env=False) as client:
                answer = await client.post(address, content=body, headers=headers)
            answer.raise_for_status()
            standing.delivered = True
