"""The minute in words: every table of it as rows of text, the same for PDF and Excel."""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from fleet_server.domain.findings import Outcome
from fleet_server.domain.gate import blocks
from fleet_server.domain.readiness import CheckResult
from fleet_server.minutes.content import Minute, on_duty, outcomes_of
from fleet_server.store.decisions import SiteFound
from fleet_server.tables import Table
from fleet_server.texts import Lang, check_message, number, quantity, reason_of, translate
from wire.inert import inert

_PASS = Outcome.PASS


def tables_of(minute: Minute, lang: Lang, zone: ZoneInfo) -> list[Table]:
    """Every table that has a row, in the order of the minute; the checks of all rooms come last."""
    found = [
        _table(lang, "stages", ("stage", "at", "result", "note"), _stages(minute, lang, zone)),
        _table(lang, "decisions", ("at", "by", "decision", "reason"), _decisions(minute, lang, zone)),
        _table(lang, "waivers", ("site", "check", "by", "reason", "until"), _waivers(minute, lang, zone)),
        _table(lang, "rooms", ("nr", "site", "verdict", "duty", "remarks"), _rooms(minute, lang)),
        _table(lang, "commands", ("at", "site", "device", "by", "end", "reason"), _commands(minute, lang, zone)),
        _table(lang, "setbacks", ("at", "site", "check", "until"), _setbacks(minute, lang, zone)),
        _table(lang, "recordings", ("site", "file", "size", "sha256"), _recordings(minute, lang)),
        _table(lang, "checks", ("site", "check", "outcome", "observed", "required"), _checks(minute, lang)),
    ]
    return [table for table in found if table.rows]


def clock(at: datetime, zone: ZoneInfo) -> str:
    """`14:02:07 26/11/2026`."""
    return f"{at.astimezone(zone):%H:%M:%S %d/%m/%Y}"


def _table(lang: Lang, name: str, columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Table:
    headings = tuple(translate(lang, f"minute.column.{column}") for column in columns)
    shown = tuple(tuple(inert(cell) for cell in row) for row in rows)
    return Table(name, translate(lang, f"minute.table.{name}"), headings, shown)


def _stages(minute: Minute, lang: Lang, zone: ZoneInfo) -> Iterator[tuple[str, ...]]:
    for found in minute.stages:
        minutes = found.row.stage.minutes_before
        name = quantity(lang, minutes * 60, "s") if minutes else translate(lang, "session.on_demand")
        if found.row.missed or found.snapshot is None:
            yield name, clock(found.row.stage.due_at, zone), translate(lang, "session.stage.missed"), ""
            continue
        count = outcomes_of(found.snapshot.sites)["not_admitted"]
        result = translate(lang, f"session.stage.{'go' if found.snapshot.go else 'no_go'}", count=count)
        late = translate(lang, "session.late", at=clock(found.row.began_at, zone)) if found.row.late else ""
        yield name, clock(found.snapshot.at, zone), result, late


def _decisions(minute: Minute, lang: Lang, zone: ZoneInfo) -> Iterator[tuple[str, ...]]:
    for row in minute.decisions:
        yield clock(row.at, zone), row.by, translate(lang, f"session.{row.decision}"), reason_of(row.reason, lang)


def _waivers(minute: Minute, lang: Lang, zone: ZoneInfo) -> Iterator[tuple[str, ...]]:
    for waiver in minute.waivers:
        until = clock(waiver.until, zone)
        yield minute.name(waiver.site), _title(lang, waiver.check), waiver.by, waiver.reason, until


def _rooms(minute: Minute, lang: Lang) -> Iterator[tuple[str, ...]]:
    rooms = sorted(minute.decided.sites if minute.decided else (), key=lambda each: minute.name(each.site))
    for nr, room in enumerate(rooms, 1):
        row = on_duty(minute, room.site, minute.session.starts_at)
        who = f"{row.duty.name} {row.duty.phone}".strip() if row is not None else translate(lang, "minute.nobody")
        verdict = translate(lang, f"verdict.{room.verdict}")
        yield str(nr), minute.name(room.site), verdict, who, _remarks(minute, room, lang)


def _remarks(minute: Minute, room: SiteFound, lang: Lang) -> str:
    """What was not a pass, what blocks first."""
    waived = {waiver.check for waiver in minute.waivers if waiver.site == room.site}
    troubles = sorted((check for check in room.checks if check.outcome is not _PASS), key=lambda c: not blocks(c))
    said = []
    for check in troubles:
        text = _message(lang, check)
        said.append(f"{text} ({translate(lang, 'outcome.waived')})" if check.check in waived else text)
    return " ".join(said) or translate(lang, "minute.all_well")


def _commands(minute: Minute, lang: Lang, zone: ZoneInfo) -> Iterator[tuple[str, ...]]:
    for row, steps in minute.commands:
        end = f"{translate(lang, f'command.{row.state}')} {clock(steps[-1].at, zone)}" if steps else ""
        what, why = f"{row.device}: {row.action}", reason_of(row.reason, lang)
        yield clock(row.requested_at, zone), minute.name(row.site), what, row.requested_by, end, why


def _setbacks(minute: Minute, lang: Lang, zone: ZoneInfo) -> Iterator[tuple[str, ...]]:
    for row in minute.setbacks:
        until = clock(row.cleared_at, zone) if row.cleared_at is not None else translate(lang, "minute.not_mended")
        yield clock(row.opened_at, zone), minute.name(row.site), _title(lang, row.trouble.check), until


def _recordings(minute: Minute, lang: Lang) -> Iterator[tuple[str, ...]]:
    """Each file as the room sealed it; then the room's own list, by whose name it is asked later."""
    for room in minute.recordings:
        name = minute.name(room.site)
        if room.state != "sealed":
            yield name, translate(lang, f"minute.not_sealed_{room.state}"), "", ""
            continue
        for file in room.files:
            yield name, file.name, _megabytes(lang, file.bytes), file.sha256
        list_of = translate(lang, "minute.list", name=room.manifest, count=room.count)
        yield name, list_of, _megabytes(lang, room.bytes), room.sha256


def _megabytes(lang: Lang, size: int) -> str:
    return f"{number(lang, size / 1e6)}\u202fMB"


def _checks(minute: Minute, lang: Lang) -> Iterator[tuple[str, ...]]:
    for room in sorted(minute.decided.sites if minute.decided else (), key=lambda each: minute.name(each.site)):
        for check in room.checks:
            outcome = translate(lang, f"outcome.{check.outcome}")
            values = (check.observed, check.required)
            observed, required = (quantity(lang, v, check.unit) if v is not None else "" for v in values)
            device = f" ({check.device})" if check.device else ""
            yield minute.name(room.site), f"{_title(lang, check.check)}{device}", outcome, observed, required


def _title(lang: Lang, check: str) -> str:
    return translate(lang, f"checks.{check}.title")


def _message(lang: Lang, check: CheckResult) -> str:
    role = translate(lang, f"role.{check.role}")
    named = {"check": _title(lang, check.check), "device": check.device or role, "role": role}
    return check_message(lang, check.check, check.key, {**named, **check.params})
