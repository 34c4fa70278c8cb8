"""Queries about enrolments and certificates."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from fleet_server.store.database import millis, moment
from fleet_server.store.tables import certificates, enrolments


class EnrolmentState(StrEnum):
    """open -> claimed -> accepted | rejected; an open one that is not claimed in time has expired."""

    OPEN = "open"
    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"


class EnrolmentRow(Struct, frozen=True):
    """One way for one machine to become the agent of a site. Codes and tokens are kept as SHA-256 alone."""

    id: str
    site: str
    code_hash: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    state: EnrolmentState = EnrolmentState.OPEN
    machine: str = ""
    """What the machine calls itself; its own word."""
    claimed_from: str = ""
    claimed_at: datetime | None = None
    request: str = ""
    fingerprint: str = ""
    sealing_key: str = ""
    token_hash: str = ""
    decided_by: str = ""
    decided_at: datetime | None = None


class CertificateRow(Struct, frozen=True):
    """One certificate of a room."""

    serial: str
    site: str
    authority: str
    issued_at: datetime
    not_after: datetime
    asked: str
    """The enrolment or the renewal that it answers."""
    pem: str
    revoked_at: datetime | None = None
    revoked_by: str = ""
    reason: str = ""


def add_enrolment(db: Connection, row: EnrolmentRow) -> None:
    """A new one; those of the site that nobody has claimed are void."""
    void = (enrolments.c.site == row.site) & (enrolments.c.state == str(EnrolmentState.OPEN))
    db.execute(update(enrolments).where(void).values(state=str(EnrolmentState.EXPIRED)))
    db.execute(insert(enrolments).values(_values(row)))


def claim(db: Connection, code_hash: str, now: datetime, values: dict[str, Any]) -> EnrolmentRow | None:
    """Take an open enrolment that has not run out, for whoever comes first; None for everybody else.

    The machine that has it may ask again, for its answer may be lost: it shows that it has the same keys.
    """
    its_own = (
        (enrolments.c.state == str(EnrolmentState.CLAIMED))
        & (enrolments.c.fingerprint == values["fingerprint"])
        & (enrolments.c.sealing_key == values["sealing_key"])
    )
    mine = (
        (enrolments.c.code_hash == code_hash)
        & ((enrolments.c.state == str(EnrolmentState.OPEN)) | its_own)
        & (enrolments.c.expires_at > millis(now))
    )
    changed = values | {"state": str(EnrolmentState.CLAIMED), "claimed_at": millis(now)}
    if db.execute(update(enrolments).where(mine).values(changed)).rowcount != 1:
        return None
    row = db.execute(select(enrolments).where(enrolments.c.code_hash == code_hash)).one()
    found: EnrolmentRow = _row(EnrolmentRow, row)
    return found


def decide(db: Connection, id: str, accept: bool, by: str, now: datetime) -> bool:
    """A person's answer to a claimed one; False when there is none to answer any more."""
    state = EnrolmentState.ACCEPTED if accept else EnrolmentState.REJECTED
    claimed = (enrolments.c.id == id) & (enrolments.c.state == str(EnrolmentState.CLAIMED))
    values = {"state": str(state), "decided_by": by, "decided_at": millis(now)}
    return db.execute(update(enrolments).where(claimed).values(values)).rowcount == 1


def find_enrolment(db: Connection, id: str) -> EnrolmentRow | None:
    """One by its id."""
    row = db.execute(select(enrolments).where(enrolments.c.id == id)).first()
    return _row(EnrolmentRow, row) if row else None


def waiting_enrolments(db: Connection, now: datetime) -> list[EnrolmentRow]:
    """Claimed ones that wait for a person, and codes that can still be used; the newest first."""
    live = (enrolments.c.state == str(EnrolmentState.CLAIMED)) | (
        (enrolments.c.state == str(EnrolmentState.OPEN)) & (enrolments.c.expires_at > millis(now))
    )
    rows = db.execute(select(enrolments).where(live).order_by(enrolments.c.id.desc()).limit(500))
    return [_row(EnrolmentRow, row) for row in rows]


def sealing_keys(db: Connection) -> dict[str, str]:
    """Site -> the key that its secrets are sealed to: that of the machine accepted last."""
    accepted = enrolments.c.state == str(EnrolmentState.ACCEPTED)
    rows = db.execute(select(enrolments.c.site, enrolments.c.sealing_key).where(accepted).order_by(enrolments.c.id))
    return {row[0]: row[1] for row in rows}


def add_certificate(db: Connection, row: CertificateRow) -> None:
    """Keep a certificate that was issued."""
    db.execute(insert(certificates).values(_values(row)))


def find_certificate(db: Connection, asked: str) -> CertificateRow | None:
    """The certificate that answers this enrolment or renewal."""
    row = db.execute(select(certificates).where(certificates.c.asked == asked)).first()
    return _row(CertificateRow, row) if row else None


def issued_since(db: Connection, site: str, since: datetime) -> int:
    """How many certificates a site was given since then."""
    mine = (certificates.c.site == site) & (certificates.c.issued_at >= millis(since))
    return int(db.execute(select(func.count()).select_from(certificates).where(mine)).scalar_one())


def valid_until(db: Connection, now: datetime) -> dict[str, datetime]:
    """Site -> the end of its longest valid certificate."""
    good = certificates.c.revoked_at.is_(None) & (certificates.c.not_after > millis(now))
    longest = func.max(certificates.c.not_after)
    rows = db.execute(select(certificates.c.site, longest).where(good).group_by(certificates.c.site))
    return {row[0]: moment(row[1]) for row in rows}


def sites_behind(db: Connection, authority: str, now: datetime) -> list[str]:
    """Sites with valid certificates, none of which is of this authority: they have yet to come for theirs."""
    good = certificates.c.revoked_at.is_(None) & (certificates.c.not_after > millis(now))
    rows = db.execute(select(certificates.c.site, certificates.c.authority).where(good))
    found: dict[str, set[str]] = {}
    for site, issuer in rows:
        found.setdefault(site, set()).add(issuer)
    return sorted(site for site, issuers in found.items() if authority not in issuers)


def revoke(db: Connection, site: str, by: str, reason: str, now: datetime) -> int:
    """Revoke every certificate of a site that is still good; how many."""
    good = (
        (certificates.c.site == site) & certificates.c.revoked_at.is_(None) & (certificates.c.not_after > millis(now))
    )
    values = {"revoked_at": millis(now), "revoked_by": by, "reason": reason}
    return db.execute(update(certificates).where(good).values(values)).rowcount


def revoked(db: Connection, authority: str, now: datetime) -> list[tuple[str, datetime]]:
    """Serial and moment of what was revoked of an authority's and has not run out by itself."""
    gone = (
        (certificates.c.authority == authority)
        & certificates.c.revoked_at.is_not(None)
        & (certificates.c.not_after > millis(now))
    )
    rows = db.execute(select(certificates.c.serial, certificates.c.revoked_at).where(gone))
    return [(row[0], moment(row[1])) for row in rows]


def barred_sites(db: Connection) -> set[str]:
    """Sites that had an identity, all of which was revoked."""
    rows = db.execute(
        select(certificates.c.site).group_by(certificates.c.site)
        .having(func.count() == func.count(certificates.c.revoked_at))
    )  # fmt: skip
    return {row[0] for row in rows}


def forget_old(db: Connection, before: datetime) -> int:
    """Drop certificates that ended before then, but a site's last; how many."""
    last = select(func.max(certificates.c.issued_at)).group_by(certificates.c.site)
    old = (certificates.c.not_after < millis(before)) & certificates.c.issued_at.not_in(last)
    return db.execute(delete(certificates).where(old)).rowcount


_TIMES = {"asked_at", "expires_at", "claimed_at", "decided_at", "issued_at", "not_after", "revoked_at"}


def _values(row: Struct) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    for name in _TIMES & values.keys():
        values[name] = millis(values[name]) if values[name] is not None else None
    return values | ({"state": str(values["state"])} if "state" in values else {})


def _row(kind: Any, row: Row[Any]) -> Any:
    values = dict(row._mapping)
    for name in _TIMES & values.keys():
        values[name] = moment(values[name]) if values[name] is not None else None
    if "state" in values:
        values["state"] = EnrolmentState(values["state"])
    return kind(**values)
