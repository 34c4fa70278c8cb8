"""A code for one machine: whoever brings it first may ask to be the agent of a site; a person says yes.

Plain functions on the database, so that the command line can hand out codes beside a running server.
"""

import base64
import secrets

from msgspec import Struct
from sqlalchemy import Connection

from fleet_server.domain.identities import CODE_LIVES
from fleet_server.errors import NotFound
from fleet_server.signing.one_time import hash_of
from fleet_server.store import identities, sites
from fleet_server.store.identities import EnrolmentRow
from wire.ids import uuid7
from wire.times import Clock

_CODE_BYTES = 16
_GROUP = 4


class NewCode(Struct, frozen=True):
    """A code that can be used once. It is shown now and never again."""

    code: str
    enrolment: EnrolmentRow


def new_code(db: Connection, site: str, by: str, clock: Clock) -> NewCode:
    """A code of 128 bits for a site; it lives a day. Raises NotFound."""
    if all(row.id != site for row in sites.all_sites(db)):
        raise NotFound("sites.not_found", site=site)
    raw = base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode().rstrip("=")
    code = "-".join(raw[start : start + _GROUP] for start in range(0, len(raw), _GROUP))
    now = clock.now()
    row = EnrolmentRow(uuid7(), site, hash_of_code(code), by, now, now + CODE_LIVES)
    identities.add_enrolment(db, row)
    return NewCode(code, row)


def hash_of_code(code: str) -> str:
    """The same for a code, which people type with and without its dashes."""
    return hash_of("".join(code.split()).replace("-", "").upper())


def command_of(public_url: str | None, code: str, fingerprint: str | None) -> str:
    """What is typed at the machine."""
    parts = ["diemcau-agent enrol --config /etc/diemcau/room.toml", f"--server {public_url or 'https://…'}"]
    if fingerprint is not None:
        parts.append(f"--fingerprint {fingerprint}")
    return " ".join([*parts, f"--code {code}"])
