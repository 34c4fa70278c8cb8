"""The server killed at random while it sends: nothing is lost, one message at most is doubled by a kill, in order."""

import os
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo.processes import Processes
from fleet_server.domain.causes import Cause
from fleet_server.domain.findings import Outcome
from fleet_server.domain.priorities import Priority
from fleet_server.signing.secret_box import SecretBox
from fleet_server.store import incidents, notifications, recipients
from fleet_server.store.incidents import IncidentRow
from fleet_server.store.recipients import Contact, Recipient
from tests.counterparts.databases import database_in
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.mail_server import MailServer
from tests.counterparts.waiting import wait_for
from wire.ids import uuid7

KILLS = int(os.environ.get("DIEMCAU_ALERT_KILLS", "5"))
INCIDENTS = int(os.environ.get("DIEMCAU_ALERT_INCIDENTS", "60"))
"""`DIEMCAU_ALERT_KILLS=200 DIEMCAU_ALERT_INCIDENTS=1000` is what the outbox was released with."""


def fill(fleet: FleetUnderTest) -> list[str]:
    """Each incident with a recipient of its own, who is to hear of it."""
    database, box = database_in(fleet.folder), SecretBox(fleet.folder / "keys")
    now = datetime.now(UTC)
    addresses = [f"r{nr}@tinh.vn" for nr in range(INCIDENTS)]
    cause = Cause(("broker", ""), Outcome.FAIL, True, "", "broker")

    def write(db: object) -> None:
        for nr, address in enumerate(addresses, 1):
            id, contact = uuid7(), uuid7()
            way = Contact(contact, id, 1, "email", box.seal(f"contact:{contact}", address), "r…", now, "tests")
            recipients.add_recipient(db, Recipient(id, address, None, "vi", now, (way,)))  # type: ignore[arg-type]
            row = IncidentRow(nr, None, cause, Priority.ALARM, None, now, told=3)
            incidents.save(db, [row])  # type: ignore[arg-type]
            due = notifications.new(nr, "opened", 0, id, contact, "email", now, now, now + timedelta(hours=1))
            notifications.add(db, [due])  # type: ignore[arg-type]

    database.write_now(write)
    database.close()
    return addresses


@pytest.mark.timeout(200 + 30 * KILLS + INCIDENTS)
def test_no_notification_is_lost_and_a_kill_doubles_one_at_most(
    processes: Processes, mosquitto_port: int, tmp_path: Path
) -> None:
    mail = MailServer()
    mail.start()
    fleet = FleetUnderTest(processes, mosquitto_port, tmp_path / "server")
    fleet.environment |= {"DIEMCAU_SMTP": f"smtp://127.0.0.1:{mail.port}", "DIEMCAU_SMTP_FROM": "diemcau@tinh.vn"}
    addresses, chance = fill(fleet), random.Random(5)
    try:
        for _ in range(KILLS):
            fleet.start()
            before = len(mail.letters)
            wait_for(lambda before=before: len(mail.letters) > before or len(mail.letters) >= INCIDENTS, 30)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.15))  # so that the kill falls anywhere
            fleet.kill()
        fleet.start()
        wait_for(lambda: {letter["To"] for letter in mail.letters} >= set(addresses), 60 + INCIDENTS / 5, "lost")
        wait_for(lambda: not waiting(fleet), 30, "something still waits")
    finally:
        fleet.close()
        mail.stop()
    count = Counter(letter["To"] for letter in mail.letters)
    doubled = sum(times - 1 for times in count.values())
    print(f"{INCIDENTS} incidents, {KILLS} kills, {doubled} doubled")
    assert set(count) == set(addresses)
    assert doubled <= KILLS and max(count.values()) <= 1 + KILLS
    for letter in mail.letters:
        number = letter["To"].partition("@")[0].removeprefix("r")
        assert f"<incident.{int(number) + 1}@" in letter["Message-ID"], "a double carries the same number"


def waiting(fleet: FleetUnderTest) -> int:
    database = database_in(fleet.folder)
    try:
        return len(database.read_now(lambda db: notifications.due(db, datetime.now(UTC) + timedelta(hours=1))))
    finally:
        database.close()
