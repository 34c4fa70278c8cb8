"""diemcau-server: serve, sites and map import, profiles check, and what identities,
keys, people and the audit need."""

import argparse
import asyncio
import csv
import json
import logging
import os
import pwd
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from firmware_profiles.errors import ProfileError
from fleet_server.config import Settings, settings_of
from fleet_server.domain.access import Role
from fleet_server.errors import BadFile, FleetError
from fleet_server.texts import LANGS, Lang, error_text, translate
from wire.inert import log_to_stderr

_BY_MODULE = {
    **dict.fromkeys(("enrol", "broker", "authority", "keys", "signer"), "trust_cli"),
    **dict.fromkeys(("releases", "firmware"), "campaigns_cli"),
    **dict.fromkeys(("users", "audit"), "people_cli"),
    "minute": "minute_cli",
    **dict.fromkeys(("zalo", "watch"), "alerts_cli"),
    **dict.fromkeys(("backup", "restore", "migrate", "move-database", "doctor"), "keeping_cli"),
}
"""Loaded when they are asked for: what they need takes a second."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 when done, 1 when a file was not taken, 2 when we could not begin."""
    parser = argparse.ArgumentParser(prog="diemcau-server", description="Knows whether every site is ready.")
    parser.add_argument("--folder", type=Path, help="where the server keeps its files (DIEMCAU_FOLDER; default: var)")
    parser.add_argument("--lang", choices=LANGS, default="vi")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run the server until SIGTERM")
    serve.add_argument("--host", help="default: 127.0.0.1; any other wants HTTPS")
    serve.add_argument("--port", type=int, help="default: 8080")
    serve.add_argument("--broker", help="HOST:PORT of the broker's door for us (default: 127.0.0.1:1883)")
    for name, text in (("sites", "sites from a CSV file"), ("map", "boundaries from a GeoJSON file")):
        group = commands.add_parser(name, help=text).add_subparsers(dest="act", required=True)
        bring = group.add_parser("import", help=text)
        bring.add_argument("file", type=Path)
        if name == "sites":
            bring.add_argument("--reopen", action="store_true", help="sites of the file that were closed, too")
    profiles = commands.add_parser("profiles", help="families and overrides").add_subparsers(dest="act", required=True)
    check = profiles.add_parser("check", help="find every error, with file and line")
    check.add_argument("--drivers", type=Path, help="what `diemcau-agent describe --json` printed on another machine")
    schema = profiles.add_parser("schema", help="print the JSON Schema of a file, for editors")
    schema.add_argument("form", choices=("family", "site"))
    enrol = commands.add_parser("enrol", help="a code for a machine of a site")
    enrol.add_argument("site")
    enrol.add_argument("--sheet", type=Path, help="write a sheet to print (HTML)")
    broker = commands.add_parser("broker", help="the broker's files").add_subparsers(dest="act", required=True)
    config = broker.add_parser("config", help="write Mosquitto's configuration, access and revocation lists")
    config.add_argument(
        "--count-refused", action=argparse.BooleanOptionalAction, default=True,
        help="have the broker log what it refuses, for the server to count",
    )  # fmt: skip
    config.add_argument("--listen", default="0.0.0.0", help="address of the door for rooms")
    for name, text in (("authority", "that issues rooms' certificates"), ("keys", "that sign what rooms are told")):
        group = commands.add_parser(name, help=text).add_subparsers(dest="act", required=True)
        rotate = group.add_parser("rotate", help="the next one takes over")
        rotate.add_argument("--force", action="store_true", help="also while rooms have not followed the last time")
    signer = commands.add_parser("signer", help="hold the signing keys in a process of its own, until SIGTERM")
    signer.add_argument("--socket", type=Path, required=True, help="Unix socket to listen on")
    users = commands.add_parser("users", help="people and programs").add_subparsers(dest="act", required=True)
    add = users.add_parser("add", help="a person; prints a one-time link to set a password with")
    add.add_argument("--password-file", type=Path, help="take the password from this file instead of a link")
    token = users.add_parser("token", help="a token for a program, in place of the one that it was given here before")
    token.add_argument("--token-file", type=Path, required=True, help="write the API token into this file")
    for each in (add, token):
        each.add_argument("login")
        each.add_argument("--name", help="as records show it")
        each.add_argument("--role", required=True, choices=[str(role) for role in Role])
        each.add_argument("--sites", help="ids with commas between; all where none are given")
    audit = commands.add_parser("audit", help="what people did").add_subparsers(dest="act", required=True)
    verify = audit.add_parser("verify", help="find the first row that is not as it was written")
    verify.add_argument("--expect", help="a hash that was noted earlier and must still be there")
    audit.add_parser("export", help="all rows as JSON, one a line")
    keep = commands.add_parser("backup", help="write everything into one file; the server may run")
    keep.add_argument("file", type=Path)
    keep.add_argument(
        "--with-authority", action="store_true", help="the authority and our keys too: keep it locked away"
    )
    back = commands.add_parser("restore", help="put a backup in place; the server must not run")
    back.add_argument("file", type=Path)
    back.add_argument("--replace", action="store_true", help="also where something is there; it is kept beside")
    commands.add_parser("migrate", help="bring the database to this release; the server must not run")
    move = commands.add_parser("move-database", help="copy all into an empty database, and compare")
    move.add_argument("url", help="postgresql://USER@HOST:PORT/NAME; the password: DIEMCAU_DATABASE_PASSWORD_FILE")
    shelf = commands.add_parser("releases", help="what rooms can be offered").add_subparsers(dest="act", required=True)
    shelf.add_parser("add", help="take a signed bundle in").add_argument("file", type=Path)
    images = commands.add_parser("firmware", help="of rooms' devices").add_subparsers(dest="act", required=True)
    images.add_parser("add", help="take a signed image in").add_argument("file", type=Path)
    sign = images.add_parser("sign", help="sign a maker's image, where the key is")
    sign.add_argument("file", type=Path)
    sign.add_argument("--key", type=Path, required=True, help="the private key that signs releases")
    sign.add_argument("--family", required=True, help="the profile's, such as hikvision")
    sign.add_argument("--version", required=True, help="as the device tells it once it runs")
    sign.add_argument("--models", help="only these, with commas between; default: all of the family")
    sign.add_argument("--out", type=Path, required=True, help="the signed file to write")
    minute = commands.add_parser("minute", help="technical minutes").add_subparsers(dest="act", required=True)
    minute.add_parser("verify", help="whether a file is as it was sealed").add_argument("file", type=Path)
    zalo = commands.add_parser("zalo", help="the Official Account").add_subparsers(dest="act", required=True)
    zalo.add_parser("tokens", help="take a pair of tokens (JSON) from standard input")
    watch = commands.add_parser("watch", help="on another machine: cry by e-mail when a server is silent")
    watch.add_argument("url", help="of the server")
    watch.add_argument("--to", required=True, help="an e-mail address")
    watch.add_argument("--authority", type=Path, help="the server's own authority (PEM), where it has one")
    watch.add_argument("--every", type=float, default=30.0, help="seconds between two looks (default: 30)")
    watch.add_argument("--after", type=int, default=4, help="how many looks in vain (default: 4)")
    commands.add_parser("doctor", help="what is wrong, or will be, and what to do")
    given = parser.parse_args(arguments)
    os.umask(0o077)  # keys, codes and phone numbers are nobody else's
    log_to_stderr()
    for talkative in ("alembic", "apscheduler", "httpx"):  # httpx tells whole addresses, with what stands in them
        logging.getLogger(talkative).setLevel(logging.WARNING)
    try:
        serving = given.command == "serve"
        settings = settings_of(
            given.folder,
            given.host if serving else None,
            given.port if serving else None,
            given.broker if serving else None,
        )
        if serving:
            from fleet_server.keeping.lock import alone_in, the_only_one
            from fleet_server.web import serve as run

            with the_only_one(settings.folder), alone_in(settings.database):
                asyncio.run(run(settings))
            return 0
        if given.command == "profiles":
            return _profiles(settings, given)
        if given.command in _BY_MODULE:
            module = import_module(f"fleet_server.{_BY_MODULE[given.command]}")
            result: int = getattr(module, given.command.replace("-", "_"))(settings, given)
            return result
        if given.command == "sites":
            print(_import_sites(settings, given.file, given.reopen))
        else:
            print(_import_map(settings, given.file))
    except FleetError as error:
        print(f"diemcau-server: {error_text(given.lang, error)}", file=sys.stderr)
        return 1 if isinstance(error, BadFile) else 2
    except OSError as error:
        print(f"diemcau-server: {_said_of_file(given.lang, error)}", file=sys.stderr)
        return 2
    except ProfileError as error:
        print(f"diemcau-server: {error}", file=sys.stderr)
        return 2
    return 0


def _said_of_file(lang: Lang, error: OSError) -> str:
    """Why a file could not be used; what the system says of anything else."""
    if isinstance(error, PermissionError) and error.filename:
        account = pwd.getpwuid(os.geteuid()).pw_name
        return translate(lang, "errors.file.not_allowed", file=str(error.filename), account=account)
    if isinstance(error, FileNotFoundError) and error.filename:
        return translate(lang, "errors.file.not_there", file=str(error.filename))
    return str(error)


def _profiles(settings: Settings, given: argparse.Namespace) -> int:
    from firmware_profiles.examination import schema_of
    from firmware_profiles.schema import Family, SiteOverride
    from fleet_server.profiles_check import faults_in

    if given.act == "schema":
        print(json.dumps(schema_of(Family if given.form == "family" else SiteOverride), indent=1, sort_keys=True))
        return 0
    faults = faults_in(settings.profiles_folder, given.drivers)
    for fault in faults:
        print(f"{fault.file}:{fault.line}: {translate(given.lang, f'profiles.{fault.key}', **fault.params)}")
    print(translate(given.lang, "profiles.summary", count=len(faults)))
    return 1 if faults else 0


def _import_sites(settings: Settings, file: Path, reopen: bool) -> str:
    from fleet_server.sites_file import sites_of
    from fleet_server.store.database import Database
    from fleet_server.store.sites import replace_sites

    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = sites_of(csv.reader(lines))
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(settings.database)
    try:
        new, known = database.write_now(lambda db: replace_sites(db, rows, reopen=reopen))
    finally:
        database.close()
    return f"{file}: {new} new, {known} known"


def _import_map(settings: Settings, file: Path) -> str:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        codes = [str(feature["properties"]["code"]) for feature in found["features"]]
        kinds = {feature["geometry"]["type"] for feature in found["features"]}
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise BadFile("map.not_geojson", file=str(file), detail=f"{type(error).__name__}: {error}") from error
    if not codes or not kinds <= {"Polygon", "MultiPolygon"}:
        raise BadFile("map.not_geojson", file=str(file), detail=", ".join(sorted(kinds)) or "0")
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = settings.map_file.with_suffix(".new")
    new.write_bytes(json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode())
    new.replace(settings.map_file)
    return f"{file}: {len(codes)}"


if __name__ == "__main__":
    sys.exit(main())
