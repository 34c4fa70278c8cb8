"""The form of a plan: what it sends, and what it shows when it comes back."""

import re
from typing import Any
from zoneinfo import ZoneInfo

from fleet_server.domain.sessions import STAGES_MIN, Needs, Session, revision
from fleet_server.errors import Invalid
from fleet_server.pages.form import Form, one
from fleet_server.pages.render import local_field, local_moment
from fleet_server.server import Server
from fleet_server.sessions.desk import Wish
from fleet_server.sessions.pasted import sites_in
from wire.ids import UUID, uuid7

_MOST_SITES = 5_000
_GROUPS = ("commune", "department", "external")
CHOICE: dict[str, Any] = {"site": [], "group": [], "paste": ""}
"""The fields by which sites are chosen, empty."""


def new_fields(server: Server) -> dict[str, Any]:
    """A form for a new session: in an hour, with the hub. Its id is given here: two presses plan one session."""
    return {
        "id": uuid7(), "seen": "",
        "title": "", "kind": "periodic", "chair": "", "starts_at": local_field(server, 60),
        "ends_at": local_field(server, 180), **CHOICE, "site": sorted(server.sessions.hubs), "spare": [],
        "stages": " ".join(map(str, STAGES_MIN)), "room_mbit_s": "2", "battery_share": "25",
        "is_rehearsal": "", "rehearses": "",
    }  # fmt: skip


def fields_of(server: Server, session: Session) -> dict[str, Any]:
    """The form as a session is planned now."""
    zone = ZoneInfo(server.settings.timezone)
    local = {
        name: getattr(session, name).astimezone(zone).strftime("%Y-%m-%dT%H:%M") for name in ("starts_at", "ends_at")
    }
    return {
        "id": "", "seen": revision(session),
        "title": session.title, "kind": session.kind, "chair": session.chair, **local, **CHOICE,
        "site": list(session.sites), "spare": list(session.spares), "stages": " ".join(map(str, session.stages_min)),
        "room_mbit_s": f"{session.needs.room_mbit_s:g}", "battery_share": f"{session.needs.battery_share * 100:g}",
        "is_rehearsal": "1" if session.is_rehearsal else "", "rehearses": session.rehearses or "",
    }  # fmt: skip


def fields_in(form: Form) -> dict[str, Any]:
    """The form as somebody has filled it in."""
    found: dict[str, Any] = {
        name: one(form, name, most)
        for name, most in (
            ("title", 200), ("kind", 20), ("chair", 120), ("starts_at", 40), ("ends_at", 40),
            ("stages", 100), ("room_mbit_s", 20), ("battery_share", 20), ("is_rehearsal", 1), ("rehearses", 36),
            ("seen", 16),
        )
    }  # fmt: skip
    return found | id_in(form) | chosen_in(form) | {"spare": form.get("spare", [])[:_MOST_SITES]}


def id_in(form: Form) -> dict[str, Any]:
    """The id that the form gave; empty where it is none."""
    given = one(form, "id", 36)
    return {"id": given if re.fullmatch(UUID, given) else ""}


def chosen_in(form: Form) -> dict[str, Any]:
    """The fields by which sites are chosen, as somebody has filled them in."""
    paste = "\n".join(one(form, "paste", 100_000).splitlines())  # a browser sends CR LF, which is shown to nobody
    return {"paste": paste} | {name: form.get(name, [])[:_MOST_SITES] for name in ("site", "group")}


def wish_in(server: Server, fields: dict[str, Any], untitled: str) -> Wish:
    """What the form wants. Raises Invalid with what cannot be read in it."""
    try:
        starts_at, ends_at = (local_moment(server, fields[name]) for name in ("starts_at", "ends_at"))
        stages = tuple(int(minutes) for minutes in fields["stages"].replace(",", " ").split())
        needs = Needs(_number(fields["room_mbit_s"]), _number(fields["battery_share"]) / 100)
    except (ValueError, OverflowError):
        raise Invalid("form.unreadable") from None
    if not (0 < needs.room_mbit_s <= 1_000 and 0 <= needs.battery_share <= 1):
        raise Invalid("form.unreadable")
    sites = [site for site in sites_chosen(server, fields) if site not in fields["spare"]]
    return Wish(
        fields["title"] or untitled, "urgent" if fields["kind"] == "urgent" else "periodic", fields["chair"],
        starts_at, ends_at, tuple(sites), bool(fields["is_rehearsal"] or fields["rehearses"]),
        fields["rehearses"] or None, stages, tuple(fields["spare"]), needs,
    )  # fmt: skip


def sites_chosen(server: Server, fields: dict[str, Any]) -> list[str]:
    """Sites that were ticked, are in a group or were pasted. Raises Invalid with lines that name none."""
    rows = [entry.site for entry in server.fleet.entries.values()]
    pasted, unknown = sites_in(fields["paste"], rows)
    if unknown:
        raise Invalid("sessions.unknown_lines", count=len(unknown), lines="; ".join(unknown[:5]))
    grouped = [row.id for row in rows if row.kind in _GROUPS and row.kind in fields["group"]]
    return list(dict.fromkeys([*fields["site"], *grouped, *pasted]))


def _number(text: str) -> float:
    """As either language writes it. Raises ValueError."""
    found = float(text.replace(",", "."))
    if found != found:
        raise ValueError(text)
    return found
