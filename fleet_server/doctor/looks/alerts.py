"""Alerts: is there somebody to be told, and has it been seen that it reaches them?"""

import os
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select

from fleet_server.channels.email.mailer import Mailer
from fleet_server.config import Settings
from fleet_server.doctor.finding import Finding, fail, ok, warn
from fleet_server.store.alert_tables import zalo_tokens
from fleet_server.store.database import Database
from fleet_server.store.recipients import book


def look(settings: Settings, database: Database, now: datetime) -> Iterator[Finding]:
    """Recipients, the last resort, and contacts that nobody has tried."""
    known = database.read_now(lambda db: book(db, now))
    contacts = [(who, contact) for who in known.recipients.values() for contact in who.contacts]
    if not contacts:
        yield warn("alerts_nobody")
    if not Mailer(os.environ).is_configured:
        yield warn("alerts_no_mail")
    for who, contact in contacts:
        if contact.tested != "sent":
            yield warn("alerts_never_tested", name=who.name, channel=contact.channel)
    if tested := sum(contact.tested == "sent" for _, contact in contacts):
        yield ok("alerts_well", count=tested)
    for row in database.read_now(lambda db: db.execute(select(zalo_tokens)).all()):
        if row.stopped:
            yield fail("zalo_stopped", why=row.stopped)
