"""The one place where the parts of the server are joined and its tasks are started."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from firmware_profiles.loader import blueprints
from fleet_server.api.application import application
from fleet_server.commands.deadlines import Deadlines
from fleet_server.commands.desk import CommandDesk
from fleet_server.config import Settings
from fleet_server.ingest.loop import Ingest
from fleet_server.link import FleetLink
from fleet_server.live.stream import Stream
from fleet_server.server import Server
from fleet_server.sessions.desk import SessionDesk
from fleet_server.state.fleet import Fleet
from fleet_server.state.timers import Timers
from fleet_server.store.database import Database
from wire.codec import revision_of
from wire.ids import uuid7
from wire.messages import Config
from wire.times import Clock, SystemClock

log = logging.getLogger("diemcau.server")

_CONFIG_EVERY_S = 1.0
_SITES_EVERY_S = 5.0


@asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Server]:
    """All parts of a server, at work until the block ends; the web is not one of them."""
    clock = clock or SystemClock()
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = await asyncio.to_thread(Database, settings.database)
    stream = Stream(uuid7())
    fleet = Fleet(database, stream, clock)
    sessions = SessionDesk(database, fleet, stream, clock)
    await fleet.load()
    await sessions.load()
    link = FleetLink(settings)
    commands = CommandDesk(database, fleet, link, stream, clock, sessions.is_live)
    ingest = Ingest(link, fleet, database, stream, clock)
    server = Server(settings, clock, database, fleet, link, ingest, stream, commands, sessions)
    work: list[Callable[[], Awaitable[None]]] = [
        ingest.run,
        Timers(fleet, database).run,
        Deadlines(database, commands, clock).run,
        lambda: _tell_config(server),
        lambda: _notice_sites(server),
    ]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_forever(part)) for part in work]
            link.start()
            yield server
            for task in tasks:
                task.cancel()
    finally:
        await link.stop()
        database.close()


async def serve(settings: Settings) -> None:
    """The whole server until SIGTERM or SIGINT. Raises OSError when the port is taken."""
    async with running(settings) as server:
        app: FastAPI = application(server)
        web = uvicorn.Server(
            uvicorn.Config(
                app, host=settings.host, port=settings.port, log_level="warning", access_log=False,
                server_header=False, timeout_graceful_shutdown=2, h11_max_incomplete_event_size=32_768,
            )
        )  # fmt: skip
        log.info("listening address=http://%s:%d", settings.host, settings.port)
        await web.serve()


async def _forever(part: Callable[[], Awaitable[None]]) -> None:
    """A part that fails takes the server down with it: half a server would show what is not so."""
    await part()


async def _tell_config(server: Server) -> None:
    """On each new connection tell every room how it should be. The broker keeps it for rooms that are away."""
    breaks, told = -1, set[str]()
    while True:
        if server.link.breaks != breaks:
            breaks, told = server.link.breaks, set()
        for site, entry in server.fleet.entries.items() if server.link.is_connected else ():
            if site not in told and (blueprint := blueprints().get(entry.site.kind)):
                told.add(site)
                wanted = {"interval_s": blueprint.report_interval_s}
                server.link.say_config(site, msgspec.convert(wanted | {"revision": revision_of(wanted)}, Config))
        await asyncio.sleep(_CONFIG_EVERY_S)


async def _notice_sites(server: Server) -> None:
    """Sites may be imported while we run."""
    failing = False
    while True:
        await asyncio.sleep(_SITES_EVERY_S)
        try:
            if await server.fleet.take_new_sites():
                server.link.hear_again()
            failing = False
        except SQLAlchemyError as error:
            if not failing:
                log.error("sites_unreadable error=%s", error)
            failing = True
