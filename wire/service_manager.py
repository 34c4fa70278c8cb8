"""What a service says to systemd: that it is ready, that it lives, that it leaves (sd_notify(3), a datagram each)."""

import os
import socket
from collections.abc import Mapping

_MICROS = 1_000_000


class ServiceManager:
    """Speaks to whoever started us; outside systemd it says nothing."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        micros, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        is_ours = pid in ("", str(os.getpid()))
        self.watchdog_s = int(micros) / _MICROS if micros.isdigit() and is_ours else None
        """We are killed when we say nothing for so long; None: nobody watches."""

    def ready(self) -> None:
        """All that we need has begun."""
        self._say("READY=1")

    def alive(self) -> None:
        """We work."""
        self._say("WATCHDOG=1")

    def stopping(self) -> None:
        """We leave in order."""
        self._say("STOPPING=1")

    def _say(self, state: str) -> None:
        """A service manager that does not listen is no reason to end."""
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.settimeout(2.0)
                line.sendto(state.encode(), address)
        except OSError:
            return
