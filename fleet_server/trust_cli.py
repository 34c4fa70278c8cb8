"""Commands of diemcau-server about identities and keys; each is called with the settings and what was given."""

import argparse
import html
import signal
from collections.abc import Callable
from contextlib import closing
from threading import Event
from typing import TypeVar

import segno
from sqlalchemy import Connection

from fleet_server.authority.files import AuthorityFiles
from fleet_server.broker import mosquitto
from fleet_server.config import Settings
from fleet_server.errors import Conflict
from fleet_server.identities.doors import revoked_text
from fleet_server.identities.enrolments import NewCode, command_of, new_code
from fleet_server.signing import keys as key_files
from fleet_server.signing.process import serve_signatures
from fleet_server.store.database import Database
from fleet_server.store.identities import sites_behind
from fleet_server.texts import translate
from wire.identity import short
from wire.times import SystemClock

T = TypeVar("T")
_BY = "diemcau-server enrol"


def enrol(settings: Settings, given: argparse.Namespace) -> int:
    """Print a code, its QR code and the command to type; with --sheet write them for the printer."""
    clock = SystemClock()
    with closing(Database(settings.database)) as database:
        made = database.write_now(lambda db: new_code(db, given.site, _BY, clock))
    fingerprint = _web_fingerprint(settings)
    command = command_of(settings.public_url, made.code, fingerprint)
    print(translate(given.lang, "enrol.printed", site=given.site, code=made.code, until=made.enrolment.expires_at))
    if fingerprint is not None:
        print(translate(given.lang, "enrol.fingerprint", fingerprint=short(fingerprint)))
    print(command)
    segno.make(command, error="m").terminal(compact=True)
    if given.sheet is not None:
        given.sheet.write_text(sheet_of(given.lang, given.site, made, command, fingerprint), encoding="utf-8")
    return 0


def broker(settings: Settings, given: argparse.Namespace) -> int:
    """Write Mosquitto's files."""
    _write_lists(settings, AuthorityFiles(settings.authority_folder, SystemClock()))
    doors = mosquitto.Doors(
        port=settings.broker_of_rooms[1], host=given.listen, inner_port=settings.broker_port,
        inner_host=settings.broker_host, count_refused=given.count_refused,
    )  # fmt: skip
    print(mosquitto.write_config(settings.broker_folder, doors))
    return 0


def authority(settings: Settings, given: argparse.Namespace) -> int:
    """The next authority issues from now on; a running server notices, and the broker is told where we may."""
    files = AuthorityFiles(settings.authority_folder, SystemClock())
    behind = _ask(settings, lambda db: sites_behind(db, files.issuing_name, SystemClock().now()))
    if behind and not given.force:
        raise Conflict("identities.rooms_behind", count=len(behind), sites=", ".join(behind[:10]))
    print(files.rotate())
    if settings.broker_tls:
        _write_lists(settings, files)
        if not mosquitto.tell(settings.broker_folder):
            print(translate(given.lang, "enrol.tell_broker", folder=settings.broker_folder))
    return 0


def keys(settings: Settings, given: argparse.Namespace) -> int:
    """The next key signs from now on; the server must be started again. Raises Conflict where the signer has them."""
    if settings.signer_socket is not None:  # what lies in our folder signs nothing
        raise Conflict("signing.keys_of_signer", socket=str(settings.signer_socket))
    key_files.rotate(settings.keys_folder)
    print(" ".join(key_files.KeyFiles(settings.keys_folder).public_keys))
    return 0


def signer(settings: Settings, given: argparse.Namespace) -> int:
    """Sign until SIGTERM."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve_signatures(settings.keys_folder, given.socket, stop)
    return 0


def _ask(settings: Settings, question: Callable[[Connection], T]) -> T:
    with closing(Database(settings.database)) as database:
        return database.read_now(question)


def _write_lists(settings: Settings, files: AuthorityFiles) -> None:
    crl = _ask(settings, lambda db: revoked_text(db, files, SystemClock().now()))
    mosquitto.write_lists(settings.broker_folder, files, settings.names, crl)


def sheet_of(lang: str, site: str, made: NewCode, command: str, fingerprint: str | None) -> str:
    """The sheet that goes to the room, as a page to print."""
    say = {
        name: html.escape(translate("vi" if lang == "vi" else "en", f"enrol.{name}"))
        for name in ("sheet", "once", "compare")
    }
    code = segno.make(command, error="m").svg_inline(scale=4)
    mark = f"<p>{say['compare']} <b>{short(fingerprint)}</b></p>" if fingerprint else ""
    return (
        f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>{say["sheet"]} {html.escape(site)}</title>'
        f"<h1>{say['sheet']} {html.escape(site)}</h1>{code}<pre>{html.escape(command)}</pre>{mark}"
        f"<p>{say['once']} {made.enrolment.expires_at:%d/%m/%Y %H:%M} UTC</p></html>\n"
    )


def _web_fingerprint(settings: Settings) -> str | None:
    if not settings.web_tls:
        return None
    files = AuthorityFiles(settings.authority_folder, SystemClock())
    _, key = files.service("web", settings.names, files.issuing)
    return files.fingerprint(key)
