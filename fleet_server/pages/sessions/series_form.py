"""The form of a series: what it sends, and what it shows when it comes back."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from fleet_server.domain.series import Rhythm
from fleet_server.errors import Invalid
from fleet_server.pages.form import Form, one
from fleet_server.pages.sessions.wish import CHOICE, chosen_in, id_in, sites_chosen
from fleet_server.server import Server
from fleet_server.store.series import SeriesRow
from wire.ids import uuid7

_LENGTHS = {
    "title": 200, "chair": 120, "every": 20, "day": 6, "nth": 6, "weekday": 6, "on_working_days": 1, "begins": 5,
    "length_min": 6, "first": 10, "last": 10,
}  # fmt: skip


def new_series(server: Server) -> dict[str, Any]:
    """A form for a new series, from today. Its id is given here: two presses begin one series."""
    today = server.clock.now().astimezone(ZoneInfo(server.settings.timezone)).date()
    return {
        "id": uuid7(), "title": "", "chair": "", "every": "month_day", "day": "15", "nth": "1", "weekday": "0",
        "on_working_days": "1", "begins": "08:00", "length_min": "180", "first": today.isoformat(), "last": "",
        **CHOICE, "site": sorted(server.sessions.hubs),
    }  # fmt: skip


def series_fields_in(form: Form) -> dict[str, Any]:
    """The form as somebody has filled it in."""
    return {name: one(form, name, most) for name, most in _LENGTHS.items()} | id_in(form) | chosen_in(form)


def series_in(server: Server, fields: dict[str, Any], untitled: str, by: str) -> SeriesRow:
    """What the form wants. Raises Invalid with what cannot be read in it."""
    every = fields["every"]
    if every not in ("month_day", "month_weekday", "week"):
        raise Invalid("form.unreadable")
    try:
        day = int(fields["day" if every == "month_day" else "nth"])
        rhythm = Rhythm(every, day, int(fields["weekday"]), fields["on_working_days"] == "1")
        length_min, first = int(fields["length_min"]), date.fromisoformat(fields["first"])
        last = date.fromisoformat(fields["last"]) if fields["last"] else None
    except ValueError:
        raise Invalid("form.unreadable") from None
    return SeriesRow(
        fields["id"] or uuid7(), fields["title"] or untitled, fields["chair"], rhythm, fields["begins"], length_min,
        first, last, tuple(sites_chosen(server, fields)), by,
    )  # fmt: skip
