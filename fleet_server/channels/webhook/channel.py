"""POST to an address of others, signed: Ed25519 over `diemcau/v1/alert`, a line end and the body."""

from urllib.parse import urlsplit

import httpx

from fleet_server.channels.channel import Channel, Message, Undelivered
from fleet_server.errors import SignerGone
from wire.announcements import AlertNews
from wire.identity import is_loopback
from wire.signing import signed

SIGNATURE = "DiemCau-Signature"
_WITHIN_S = 10.0
_GONE = {400, 401, 403, 404, 405, 410, 422}


class Webhook(Channel):
    """The address may hold a secret; it is in no log."""

    NAME = "webhook"

    @classmethod
    def takes(cls, address: str) -> bool:
        """HTTPS, or HTTP to this machine itself; no user name in it."""
        try:
            found = urlsplit(address)
            host, _port = found.hostname or "", found.port
        except ValueError:
            return False
        safe = found.scheme == "https" or (found.scheme == "http" and is_loopback(host))
        return safe and bool(host) and found.username is None and len(address) <= 500 and address.isprintable()

    @classmethod
    def shown(cls, address: str) -> str:
        """Where it goes, without path and query."""
        return urlsplit(address).hostname or ""

    @property
    def is_configured(self) -> bool:
        """Nothing is needed but an address."""
        return True

    async def send(self, message: Message, address: str) -> str:
        """One POST; redirects are not followed."""
        news = AlertNews(
            self.given.clock.now(), message.thread[:120], message.first, message.urgent, message.subject[:500],
            message.text[:4_000], "en" if message.lang == "en" else "vi",
        )  # fmt: skip
        try:
            *signature, body = signed(self.given.signer, news).split(b".", 3)
        except SignerGone as error:
            raise Undelivered("nobody signs", permanent=False, whole_channel=True) from error
        headers = {"Content-Type": "application/json", SIGNATURE: b".".join(signature).decode()}
        try:
            async with httpx.AsyncClient(timeout=_WITHIN_S, follow_redirects=False, trust_env=False) as client:
                answer = await client.post(address, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Undelivered(type(error).__name__, permanent=False) from error
        if answer.status_code >= 300:
            permanent = answer.status_code in _GONE or answer.is_redirect
            raise Undelivered(f"HTTP {answer.status_code}", permanent=permanent)
        return ""


CHANNEL = Webhook
