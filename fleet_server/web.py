"""The whole server as one program: its parts, and the web on one address."""

import asyncio
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection

from fleet_server.api.application import application
from fleet_server.assembly import running
from fleet_server.config import Settings
from fleet_server.line_tests.echo import Echo
from fleet_server.people.users import first_link
from fleet_server.server import Server
from fleet_server.texts import translate
from wire.service_manager import ServiceManager

log = logging.getLogger("diemcau.server")

_RECEIVE_BUFFER_BYTES = 131_072
_BACKLOG = 2_048


async def serve(settings: Settings) -> None:
    """The whole server until SIGTERM or SIGINT. Raises OSError when the port is taken."""
    async with running(settings) as server:
        app: FastAPI = application(server)
        config = uvicorn.Config(
            app, host=settings.host, port=settings.port, log_level="warning", access_log=False,
            server_header=False, timeout_graceful_shutdown=2, h11_max_incomplete_event_size=32_768,
        )  # fmt: skip
        if settings.web_tls:
            authority = server.identities.authority
            config.ssl_certfile, key = authority.service("web", settings.names, authority.issuing)
            config.ssl_keyfile = str(key)
        web = _Web(config)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, web.leave)
        line = _listening(settings)
        address = line.getsockname()
        scheme = "https" if settings.web_tls else "http"
        echo, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Echo(server.clock), local_addr=(settings.echo_host, settings.echo_port)
        )
        if (link := await server.database.write(partial(_first_link, server))) is not None:
            print(translate("vi", "people.first"), link, sep="\n", flush=True)  # to the console: it is no log's
            await server.known.load()
        log.info("listening address=%s://%s:%d", scheme, *address[:2])
        manager = ServiceManager()
        manager.ready()
        try:
            await web.serve(sockets=[line])
        finally:
            manager.stopping()
            echo.close()


class _Web(uvicorn.Server):
    """uvicorn would end the process by the signal that it got; the parts behind it have still to leave in order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours."""
        yield

    def leave(self) -> None:
        """Take nothing new, answer what is under way."""
        self.should_exit = True


def _listening(settings: Settings) -> socket.socket:
    """TCP by name, or asyncio leaves Nagle's waiting on, which costs each answer 40 ms.

    A small receive buffer, which the accepted connections inherit: what a line test has sent beyond what it may
    take would else fill the hub's line before we have read it."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    line = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        line.bind((settings.host, settings.port))
        line.listen(_BACKLOG)
    except OSError:
        line.close()
        raise
    return line


def _first_link(server: Server, db: Connection) -> str | None:
    return first_link(db, server.settings.own_url, server.clock.now())
