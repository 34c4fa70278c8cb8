"""What Zalo tells us of people: they wrote, a message reached them. Signed; a text is looked at and never kept."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from fleet_server.errors import Forbidden, Invalid
from fleet_server.zalo.settings import ZaloSettings

MOST_BYTES = 65_536
_OLDEST, _AHEAD = timedelta(hours=3), timedelta(minutes=5)
"""Zalo's own retries end after two hours."""
_TEXT = 200


class Kind(StrEnum):
    """What happened."""

    SAID = "said"
    REACHED = "reached"
    OTHER = "other"


class Event(Struct, frozen=True):
    """One call of Zalo."""

    kind: Kind
    at: datetime
    user: str = ""
    text: str = ""
    message: str = ""
    """The message that reached somebody, as Zalo calls it."""


def event_in(settings: ZaloSettings, raw: bytes, mac: str, stamp: str, now: datetime) -> Event:
    """Raises Forbidden for what Zalo has not signed or what is too old, Invalid for what cannot be read."""
    if not settings.webhook_secret or len(raw) > MOST_BYTES:
        raise Forbidden("alerts.zalo_not_signed")
    try:
        said = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("form.unreadable") from error
    if not isinstance(said, dict):
        raise Invalid("form.unreadable")
    stamp = stamp or str(said.get("timestamp", ""))
    # SHA-256 over what is sent with the secret at its end, and no HMAC: so Zalo signs.
    signed = settings.webhook_id.encode() + raw + stamp.encode("utf-8", "replace") + settings.webhook_secret.encode()
    if not hmac.compare_digest(hashlib.sha256(signed).hexdigest().encode(), mac.removeprefix("mac=").lower().encode()):
        raise Forbidden("alerts.zalo_not_signed")
    at = _moment(stamp)
    if at is None or not now - _OLDEST <= at <= now + _AHEAD:
        raise Forbidden("alerts.zalo_not_signed")
    return _event(said, at)


def _event(said: dict[str, Any], at: datetime) -> Event:
    name, message = said.get("event_name"), said.get("message")
    body = message if isinstance(message, dict) else {}
    if name == "user_send_text":
        sender = said.get("sender")
        user = sender.get("id") if isinstance(sender, dict) else None
        if isinstance(user, str) and isinstance(body.get("text"), str):
            return Event(Kind.SAID, at, user[:40], body["text"][:_TEXT])
    if name == "user_received_message" and isinstance(body.get("msg_id"), str):
        return Event(Kind.REACHED, at, message=body["msg_id"][:120])
    return Event(Kind.OTHER, at)


def _moment(stamp: str) -> datetime | None:
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 15:
        return None
    return datetime.fromtimestamp(int(stamp) / 1_000, UTC)
