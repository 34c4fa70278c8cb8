"""A real SMTP server (aiosmtpd) that keeps what it was given; it can go away, refuse, encrypt, and ask who it is."""

import email
import email.policy
import ssl
import threading
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from device_drivers.loopback import free_port


class MailServer:
    """Letters in the order in which they came."""

    def __init__(self, certificate: tuple[Path, Path] | None = None, user: str = "", password: str = "") -> None:
        self.port = free_port()
        self.letters: list[EmailMessage] = []
        self.answer = "250 taken"
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(*certificate)
        self._who = (user, password)
        self._running: Controller | None = None

    def start(self) -> None:
        """Listen."""
        more: dict[str, Any] = {}
        if self._who[0]:
            more = {"authenticator": self._known, "auth_required": True}
        self._running = Controller(
            self, hostname="127.0.0.1", port=self.port, tls_context=self._tls, require_starttls=self._tls is not None,
            ready_timeout=60, **more,
        )  # fmt: skip
        self._running.start()

    def stop(self) -> None:
        """Nobody listens."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def to(self, address: str) -> list[EmailMessage]:
        """What one address got."""
        with self._lock:
            return [letter for letter in self.letters if letter["To"] == address]

    def _known(
        self, _server: Server, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
    ) -> AuthResult:
        right = tuple(word.encode() for word in self._who)
        is_right = isinstance(given, LoginPassword) and (given.login, given.password) == right
        return AuthResult(success=is_right, handled=True if is_right else False)  # noqa: SIM210

    async def handle_DATA(self, _server: Server, _session: Session, envelope: Envelope) -> str:
        """The name is aiosmtpd's."""
        if self.answer.startswith("250"):
            content = envelope.content if isinstance(envelope.content, bytes) else b""
            letter = email.message_from_bytes(content, policy=email.policy.default)
            with self._lock:
                self.letters.append(letter)  # type: ignore[arg-type]
        return self.answer


def text_of(letter: EmailMessage) -> str:
    """Its plain part."""
    body = letter.get_body(("plain",))
    assert body is not None
    return str(body.get_content())
