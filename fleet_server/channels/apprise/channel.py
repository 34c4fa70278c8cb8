"""Telegram, Slack, Teams, SMS gateways and others, by Apprise's form of an address (optional: `diemcau[apprise]`)."""

import asyncio
import importlib.util
import re
from typing import Any

from fleet_server.channels.channel import Channel, Message, Undelivered

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[!-~]{1,480}")
_LOCAL = ("file", "syslog", "dbus", "gnome", "windows", "macosx", "glib", "qt", "kde")
"""Schemes that act on this machine instead of writing to somebody."""


class Apprise(Channel):
    """The address holds the service's secret; only its scheme is shown."""

    NAME = "apprise"

    @classmethod
    def takes(cls, address: str) -> bool:
        """An address of the form that Apprise knows; none that acts on this machine."""
        return _ADDRESS.fullmatch(address) is not None and not address.startswith(_LOCAL)

    @classmethod
    def shown(cls, address: str) -> str:
        """The service alone."""
        return address.partition("://")[0]

    @property
    def is_configured(self) -> bool:
        """Whether the library is installed."""
        return importlib.util.find_spec("apprise") is not None

    async def send(self, message: Message, address: str) -> str:
        """Through the library, which says no more than whether it went out."""
        if not self.is_configured:
            raise Undelivered(
                "apprise is not installed (pip install diemcau[apprise])", permanent=True, whole_channel=True
            )
        if not await asyncio.to_thread(_notify, address, message):
            raise Undelivered("the service did not take it", permanent=False)
        return ""


def _notify(address: str, message: Message) -> bool:
    import apprise  # heavy, and optional

    sender: Any = apprise.Apprise()
    if not sender.add(address):
        raise Undelivered("no such service", permanent=True)
    kind = apprise.NotifyType.FAILURE if message.urgent else apprise.NotifyType.WARNING
    return bool(sender.notify(body=message.text, title=message.subject, notify_type=kind))


CHANNEL = Apprise
