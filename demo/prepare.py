"""`python -m demo.prepare PLAN`: everything that the server's folder holds before it starts, made by one process.

It calls the commands of `diemcau-server` one after the other: as programs they would load the same libraries ten times.
"""

import io
import json
import sys
from contextlib import closing, redirect_stdout
from pathlib import Path

import msgspec
from msgspec import Struct

from demo.identities import BrokerAddress, issue_identities
from fleet_server.cli import main as server_command
from fleet_server.config import settings_of
from fleet_server.durable import write_whole
from fleet_server.identities.enrolments import new_code
from fleet_server.store.database import Database
from wire.times import SystemClock


class Person(Struct, frozen=True):
    """Somebody who can sign in."""

    login: str
    name: str
    role: str
    password: str
    sites: tuple[str, ...] = ()


class Plan(Struct, frozen=True):
    """What is to be prepared."""

    folder: str
    """Of the server."""
    rooms: str
    """Of the rooms: a folder for each site."""
    sites_file: str
    outlines: str
    simulated: tuple[str, ...]
    """Sites whose machines get an identity here."""
    by_code: str
    """The site whose machine enrols by a code."""
    people: tuple[Person, ...]
    token_of: str
    """The person in whose name the demo itself calls the API."""
    broker_host: str
    broker_port: int
    is_tls: bool
    zalo_tokens: str
    """JSON, as an administrator would bring it."""


def main() -> int:
    """Prepare what the plan says; the files `token` and `code` beside the plan hold what the demo needs next."""
    file = Path(sys.argv[1])
    plan = msgspec.json.decode(file.read_bytes(), type=Plan)
    with redirect_stdout(io.StringIO()):
        _prepare(plan, file.parent)
    return 0


def _prepare(plan: Plan, beside: Path) -> None:
    folder = Path(plan.folder)
    if plan.is_tls:
        _run(plan, "broker", "config", "--listen", "127.0.0.1")
    _run(plan, "sites", "import", plan.sites_file)
    _run(plan, "map", "import", plan.outlines)
    secret = beside / "password"
    for person in plan.people:
        write_whole(secret, person.password.encode())
        scope = ("--sites", ",".join(person.sites)) if person.sites else ()
        given = (person.login, "--name", person.name, "--role", person.role, *scope)
        _run(plan, "users", "add", *given, "--password-file", str(secret))
    secret.unlink()
    owner = next(person for person in plan.people if person.login == plan.token_of)
    _run(plan, "users", "token", owner.login, "--role", owner.role, "--token-file", str(beside / "token"))
    sys.stdin = io.StringIO(plan.zalo_tokens)
    _run(plan, "zalo", "tokens")
    clock = SystemClock()
    settings = settings_of(folder, None, None, None)
    with closing(Database(settings.database)) as database:
        broker = BrokerAddress(plan.broker_host, plan.broker_port, plan.is_tls)
        issue_identities(
            plan.simulated, Path(plan.rooms), database, settings.authority_folder, settings.keys_folder, broker, clock
        )
        code = database.write_now(lambda db: new_code(db, plan.by_code, "demo", clock)).code
    write_whole(beside / "code", json.dumps(code).encode())


def _run(plan: Plan, *words: str) -> None:
    """One command of `diemcau-server`. Raises SystemExit where it fails; what is wrong it has printed itself."""
    status = server_command(["--folder", plan.folder, *words])
    if status != 0:
        print(f"diemcau-server {' '.join(words[:2])} ended with {status}", file=sys.stderr)
        raise SystemExit(status)


if __name__ == "__main__":
    sys.exit(main())
