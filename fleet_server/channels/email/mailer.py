"""Hands letters to an SMTP server (RFC 5321), encrypted; one thread for each incident (RFC 5322, References)."""

import html
import re
import smtplib
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, make_msgid
from pathlib import Path
from urllib.parse import urlsplit

from fleet_server.channels.channel import Message, Undelivered
from fleet_server.errors import WrongSettings
from fleet_server.texts import Lang, translate
from wire.identity import is_loopback

ADDRESS = re.compile(r"[^\s@<>\"',;:()\\\[\]]{1,64}@[A-Za-z0-9.-]{1,190}")
_WITHIN_S = 20.0
_PORTS = {"smtp": 587, "smtps": 465}
_NOT_NOW = range(400, 500)
"""Replies of this class ask to try again (RFC 5321, section 4.2.1)."""


class Mailer:
    """DIEMCAU_SMTP=smtp://user@host:587 (STARTTLS) or smtps://user@host:465; the password is in a file."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Raises WrongSettings."""
        found = urlsplit(env.get("DIEMCAU_SMTP", ""))
        try:
            self._host, self._port = found.hostname or "", found.port or _PORTS.get(found.scheme, 587)
            file = env.get("DIEMCAU_SMTP_PASSWORD_FILE")
            self._password = Path(file).read_text(encoding="utf-8").strip() if file else ""
        except (ValueError, OSError) as error:
            raise WrongSettings("settings.wrong_smtp", detail=str(error)[:120]) from error
        if found.scheme not in ("", *_PORTS) or found.password:
            raise WrongSettings("settings.wrong_smtp", detail=f"{found.scheme}://{found.hostname or ''}")
        self._by_tls, self._user = found.scheme == "smtps", found.username or ""
        self._sender = env.get("DIEMCAU_SMTP_FROM", f"diemcau@{self._host or 'localhost'}")
        self._ca = env.get("DIEMCAU_SMTP_CA") or None
        if self._host and not ADDRESS.fullmatch(self._sender):
            raise WrongSettings("settings.wrong_smtp", detail=self._sender[:80])

    @property
    def is_configured(self) -> bool:
        """Whether a server is named."""
        return bool(self._host)

    def send(self, message: Message | None, address: str, now: datetime) -> str:
        """One message to one address; its Message-ID. None: only talk to the server. Raises Undelivered."""
        if not self.is_configured:
            raise Undelivered("no SMTP server is configured", permanent=True, whole_channel=True)
        letter = self._letter(message, address, now) if message is not None else None
        self._hand_over(letter, address)
        return str(letter["Message-ID"]) if letter is not None else ""

    def _letter(self, message: Message, address: str, now: datetime) -> EmailMessage:
        letter = EmailMessage(policy=SMTP.clone(max_line_length=900))
        domain = self._sender.partition("@")[2]
        # "=?" would begin an encoded word (RFC 2047) that nobody has encoded.
        letter["Subject"] = " ".join(message.subject.split())[:180].replace("=?", "= ?")
        letter["From"] = formataddr(("DiemCau", self._sender))
        letter["To"] = address
        letter["Date"] = format_datetime(now)
        # The first message of a thread is called after it; what follows refers to that name.
        root = f"<{message.thread}@{domain}>"
        letter["Message-ID"] = root if message.first else make_msgid(domain=domain)
        if not message.first:
            letter["In-Reply-To"] = letter["References"] = root
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday note comes back
        if message.urgent:
            letter["Importance"] = "high"
        letter["Content-Language"] = message.lang
        letter.set_content(message.text + _end(message, "\n\n{said} {link}\n"))
        end = _end(message, '<p><small><a href="{link}">{said}</a></small></p>')
        letter.add_alternative(message.html.replace("</body>", f"{end}</body>"), subtype="html")
        return letter

    def _hand_over(self, letter: EmailMessage | None, address: str) -> None:
        secure = ssl.create_default_context(cafile=self._ca)
        try:
            if self._by_tls:
                talk: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=_WITHIN_S, context=secure)
            else:
                talk = smtplib.SMTP(self._host, self._port, timeout=_WITHIN_S)
            with talk:
                if not self._by_tls:
                    self._encrypt(talk, secure)
                if self._user:
                    talk.login(self._user, self._password)
                if letter is not None:
                    talk.send_message(letter, self._sender, [address])
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise Undelivered(f"the address is refused ({code})", permanent=code not in _NOT_NOW) from error
        except smtplib.SMTPAuthenticationError as error:
            raise Undelivered("user or password is refused", permanent=True, whole_channel=True) from error
        except smtplib.SMTPResponseException as error:
            raise Undelivered(
                f"the server says {error.smtp_code}", permanent=error.smtp_code not in _NOT_NOW
            ) from error  # fmt: skip
        except (OSError, smtplib.SMTPException) as error:
            raise Undelivered(f"{self._host}: {type(error).__name__}", permanent=False, whole_channel=True) from error

    def _encrypt(self, talk: smtplib.SMTP, secure: ssl.SSLContext) -> None:
        """STARTTLS (RFC 3207); in the open only on this machine itself."""
        talk.ehlo()
        if talk.has_extn("starttls"):
            talk.starttls(context=secure)
            talk.ehlo()
        elif not is_loopback(self._host):
            raise Undelivered("the server does not encrypt", permanent=True, whole_channel=True)


def _end(message: Message, form: str) -> str:
    """How its reader ends such letters."""
    if not message.stop:
        return ""
    lang: Lang = "en" if message.lang == "en" else "vi"
    return form.format(said=html.escape(translate(lang, "stop.no_more")), link=html.escape(message.stop))
