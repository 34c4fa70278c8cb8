"""diemcau-server zalo tokens, and diemcau-server watch."""

import argparse
import html
import json
import os
import ssl
import sys
import time

import httpx

from fleet_server.channels.channel import Message, Undelivered
from fleet_server.channels.email.mailer import Mailer
from fleet_server.config import Settings
from fleet_server.errors import Invalid
from fleet_server.signing.secret_box import SecretBox
from fleet_server.store.database import Database
from fleet_server.texts import translate
from fleet_server.zalo.consent import bring
from fleet_server.zalo.oauth import Pair
from fleet_server.zalo.settings import settings_of
from wire.times import SystemClock

_WITHIN_S = 10.0


def zalo(settings: Settings, given: argparse.Namespace) -> int:
    """Take a pair of tokens from standard input, as the console of Zalo shows it (JSON). Raises Invalid."""
    account = settings_of(os.environ)
    if not account.is_complete:
        raise Invalid("alerts.no_zalo_app")
    try:
        said = json.loads(sys.stdin.read(65_536))
        pair = Pair(str(said["access_token"]), str(said["refresh_token"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Invalid("alerts.no_pair") from error
    if not pair.access or not pair.refresh:
        raise Invalid("alerts.no_pair")
    box, database = SecretBox(settings.keys_folder), Database(settings.database)
    try:
        database.write_now(lambda db: bring(db, box, account.app, pair, SystemClock().now()))
    finally:
        database.close()
    print(translate(given.lang, "alerts.pair_taken"))
    return 0


def watch(settings: Settings, given: argparse.Namespace) -> int:
    """Ask another machine's server how it is, for ever; cry by e-mail when it is silent, and say when it is back.

    Runs elsewhere than what it watches: it needs DIEMCAU_SMTP, and of the server's files its authority alone.
    Raises OSError where that cannot be read.
    """
    missed, cried = 0, False
    known = ssl.create_default_context(cafile=given.authority)
    while True:
        well = _is_well(given.url, known)
        missed = 0 if well else missed + 1
        if missed >= given.after and not cried:
            cried = _cry(given, "silent")
        elif well and cried:
            cried = not _cry(given, "back")
        time.sleep(given.every)


def _is_well(url: str, known: ssl.SSLContext) -> bool:
    try:
        address = f"{url.rstrip('/')}/api/v1/health"
        answer = httpx.get(address, timeout=_WITHIN_S, follow_redirects=False, trust_env=False, verify=known)
        return bool(answer.status_code == httpx.codes.OK and answer.json().get("status") == "ok")
    except (httpx.HTTPError, ValueError, AttributeError):
        return False


def _cry(given: argparse.Namespace, what: str) -> bool:
    """Whether it went out."""
    now, text = SystemClock().now(), translate(given.lang, f"alerts.watch_{what}", url=given.url)
    thread = f"watch.{now:%Y%m%d%H%M%S}"
    message = Message(text, f"{text}\n{given.url}", f"<p>{html.escape(text)}</p>", thread, True, True, given.lang)
    try:
        Mailer(os.environ).send(message, given.to, now)
    except Undelivered as error:
        print(f"diemcau-server watch: {error.why}", file=sys.stderr, flush=True)
        return False
    print(text, flush=True)
    return True
