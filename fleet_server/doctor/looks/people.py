"""Is there an administrator, does everybody who can act give a second factor, is the audit whole?"""

from collections.abc import Iterator
from datetime import datetime

from fleet_server.config import Settings
from fleet_server.doctor.finding import Finding, fail, ok, warn
from fleet_server.domain.access import HARMLESS, Role
from fleet_server.store.audit import verify
from fleet_server.store.database import Database
from fleet_server.store.people import all_users


def look(settings: Settings, database: Database, now: datetime) -> Iterator[Finding]:
    """Users and the audit's chain."""
    users = [user for user in database.read_now(all_users) if user.disabled_at is None]
    if not any(
        user.role is Role.ADMINISTRATOR and not user.sites and (user.password or user.subject) for user in users
    ):
        yield fail("no_administrator")
    if not settings.second_factor:
        yield warn("second_factor_off")
    elif weak := [user.login for user in users if user.password and not user.totp and user.role not in HARMLESS]:
        yield warn("without_second_factor", logins=", ".join(sorted(weak)[:10]))
    found = database.read_now(verify)
    yield (
        fail("audit_broken", n=found.broken) if found.broken is not None else ok("audit_whole", rows=found.rows)
    )  # fmt: skip
