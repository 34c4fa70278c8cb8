"""Sessions as a calendar that other programs subscribe to (RFC 5545)."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from icalendar import Calendar, Event

from fleet_server.domain.sessions import Session
from wire.inert import inert


def calendar_of(name: str, sessions: Iterable[Session], names: Mapping[str, str], now: datetime) -> bytes:
    """An iCalendar object. `names`: site -> its name; sites that are not in it are not told of."""
    found = Calendar()
    found.add("prodid", "-//DiemCau//sessions//VI")
    found.add("version", "2.0")
    found.add("x-wr-calname", name)
    for session in sessions:
        event = Event()
        event.add("uid", f"{session.id}@diemcau")
        event.add("dtstamp", now)
        event.add("last-modified", session.cancelled_at or session.planned_at)
        event.add("dtstart", session.starts_at)
        event.add("dtend", session.ends_at)
        event.add("summary", inert(session.title))
        event.add("description", inert("\n".join(names[site] for site in session.sites if site in names)))
        event.add("status", "CANCELLED" if session.cancelled_at is not None else "CONFIRMED")
        event.add("transp", "TRANSPARENT" if session.is_rehearsal else "OPAQUE")
        found.add_component(event)
    said: bytes = found.to_ical()
    return said
