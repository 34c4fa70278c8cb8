"""The same MQTT 5 session on an asyncio event loop, so that thousands of connections share one thread.

paho's own hooks for an external loop are used (`on_socket_register_write`, `loop_read`, `loop_write`, `loop_misc`).
Only the TCP and TLS handshake blocks; it runs in an executor whose size bounds how many are made at once.
"""

import asyncio
import logging
import os
import random
import socket
import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any

import paho.mqtt.client as paho

from wire.mqtt import FIRST_WAIT_S, LONGEST_WAIT_S, MqttSession, Received

log = logging.getLogger("diemcau.mqtt")

_MISC_EVERY_S = 5.0
_MOST_READS = 64


class AsyncMqttSession(MqttSession):
    """An `MqttSession` whose `run_async` replaces `run`. All methods are called on the event loop's thread."""

    _wake: asyncio.Event | None = None
    _is_cut = False
    leaving: Callable[[], None] | None = None
    """Called before an orderly disconnect."""

    async def run_async(self, stop: asyncio.Event, connecting: Executor) -> None:
        """Connect, serve, reconnect with full jitter; return soon after `stop` is set and `wake` was called."""
        loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        wait_s = FIRST_WAIT_S
        while not stop.is_set():
            reason = "the line is cut"
            if not self._is_cut:
                self._again.clear()
                try:
                    client = await loop.run_in_executor(connecting, self.open)
                except (OSError, ValueError, ssl.SSLError) as error:
                    reason = str(error) or type(error).__name__
                else:
                    reason = await self._serve_until_end(client, stop)
            if reason == "":
                wait_s = FIRST_WAIT_S
            else:
                log.info("broker_unreachable client=%s error=%s", self._name, reason)
            await self._sleep(random.uniform(0, wait_s))  # noqa: S311 - jitter, no secret
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    def wake(self) -> None:
        """Look at once whether to stop or to reconnect."""
        if self._wake is not None:
            self._wake.set()

    def cut(self, is_cut: bool) -> None:
        """Break the line as a dead router does, without a goodbye, or restore it."""
        self._is_cut = is_cut
        self.wake()

    def reconnect(self) -> None:
        """Disconnect in order and connect again."""
        super().reconnect()
        self.wake()

    def acknowledge(self, stored: Iterable[Received]) -> None:
        """Send the PUBACK of each of these messages."""
        self._stored.extend(stored)
        self._say_stored(most=len(self._stored))

    async def _sleep(self, seconds: float) -> None:
        assert self._wake is not None
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _serve_until_end(self, client: paho.Client, stop: asyncio.Event) -> str:
        """Serve one connection to its end. The reason when it never came up, else an empty text."""
        loop = asyncio.get_running_loop()
        sock = client.socket()
        if sock is None:
            return "the connection was closed at once"
        ended: list[int] = []

        def end(result: int) -> None:
            ended.append(result)
            self.wake()

        def read() -> None:
            try:
                for _ in range(_MOST_READS):
                    result = client.loop_read()
                    if result != paho.MQTT_ERR_SUCCESS:
                        end(result)
                        return
                    if not _has_pending(sock):
                        return
            except Exception as error:  # noqa: BLE001 - paho on a malformed packet; this connection ends
                self._count(error)
                end(paho.MQTT_ERR_PROTOCOL)

        def write() -> None:
            result = client.loop_write()
            if result != paho.MQTT_ERR_SUCCESS:
                end(result)

        descriptor, is_registered = sock.fileno(), True

        def add_writer(*_: Any) -> None:
            if is_registered:
                loop.add_writer(descriptor, write)

        def remove_writer(*_: Any) -> None:
            if is_registered:
                loop.remove_writer(descriptor)

        def remove_both(*_: Any) -> None:
            """Once, before paho closes the socket: from then on the number may be another connection's."""
            nonlocal is_registered
            if is_registered:
                is_registered = False
                loop.remove_reader(descriptor)
                loop.remove_writer(descriptor)

        client.on_socket_register_write = add_writer
        client.on_socket_unregister_write = remove_writer
        client.on_socket_close = remove_both
        loop.add_reader(descriptor, read)
        if client.want_write():
            loop.add_writer(descriptor, write)
        was_up = False
        try:
            while not ended and not stop.is_set() and not self._again.is_set() and not self._is_cut:
                await self._sleep(_MISC_EVERY_S)
                was_up = was_up or self.is_connected
                if not ended and (result := client.loop_misc()) != paho.MQTT_ERR_SUCCESS:
                    end(result)
            if not ended and not self._is_cut:
                self._on_leaving()
                self._say_goodbye(client)
        except OSError as error:
            return "" if was_up else str(error)
        finally:
            self._client = None
            if self._is_cut and is_registered:
                _shut_down(sock)
            remove_both()
            with suppress(OSError, ValueError):
                client.disconnect()
            self._down()
        return "" if was_up else paho.error_string(ended[0]) if ended else ""

    def _on_leaving(self) -> None:
        """Called before an orderly disconnect: the last chance to publish."""
        if self.leaving is not None:
            self.leaving()


def _shut_down(sock: Any) -> None:
    """End the connection on a copy of its descriptor: a TLS socket's own `shutdown` would say goodbye first, and so
    would paho, whose DISCONNECT keeps the broker from publishing the will (MQTT 5, 3.14)."""
    with suppress(OSError), socket.socket(fileno=os.dup(sock.fileno())) as tcp:
        tcp.shutdown(socket.SHUT_RDWR)


def _has_pending(sock: Any) -> bool:
    """Whether TLS has decrypted bytes that the selector does not see."""
    return isinstance(sock, ssl.SSLSocket) and sock.fileno() >= 0 and sock.pending() > 0
