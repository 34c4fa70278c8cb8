"""The one place where the parts of the server are joined and its tasks are started."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from zoneinfo import ZoneInfo

import msgspec
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from firmware_profiles.loader import blueprints, catalogue_of
from firmware_profiles.schema import Blueprint
from fleet_server.active.desk import ActiveDesk
from fleet_server.api.application import application
from fleet_server.authority.files import AuthorityFiles
from fleet_server.broker.mosquitto import LOG, SERVER_NAME
from fleet_server.broker.refusals import STRANGER, Refusals
from fleet_server.commands.deadlines import Deadlines
from fleet_server.commands.desk import CommandDesk
from fleet_server.config import Settings
from fleet_server.domain.provisioning import Fit, proved_of
from fleet_server.identities.desk import IdentityDesk
from fleet_server.ingest.loop import Ingest
from fleet_server.line_tests.desk import LineTestDesk
from fleet_server.line_tests.echo import Echo
from fleet_server.link import FleetLink
from fleet_server.live.stream import Stream
from fleet_server.minutes.desk import MinuteDesk
from fleet_server.people.audit import AuditDesk
from fleet_server.people.desk import PeopleDesk
from fleet_server.people.known import Known
from fleet_server.people.provider import Provider
from fleet_server.people.sign_ins import SignInDesk
from fleet_server.people.users import first_link
from fleet_server.rollout.desk import RolloutDesk
from fleet_server.rollout.provision import ProvisionDesk
from fleet_server.rollout.secrets import SecretDesk
from fleet_server.server import Server
from fleet_server.sessions.confirmations import ConfirmationDesk
from fleet_server.sessions.desk import SessionDesk
from fleet_server.sessions.gates import GateDesk
from fleet_server.sessions.news import NewsDesk
from fleet_server.sessions.series import SeriesDesk
from fleet_server.sessions.stages import StageDesk
from fleet_server.sessions.watch import Watch
from fleet_server.signing.process import signer_of
from fleet_server.signing.secret_box import SecretBox
from fleet_server.state.attention import OFTEN_S, Attention
from fleet_server.state.fleet import Fleet
from fleet_server.state.timers import Timers
from fleet_server.store.database import Database
from fleet_server.texts import translate
from wire.codec import config_revision
from wire.ids import uuid7
from wire.messages import Config, DesiredDevice
from wire.mqtt import Broker, Tls
from wire.times import Clock, SystemClock

log = logging.getLogger("diemcau.server")

_CONFIG_EVERY_S = 1.0
_SITES_EVERY_S = 5.0
_RECEIVE_BUFFER_BYTES = 131_072
_BACKLOG = 2_048


@asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Server]:
    """All parts of a server, at work until the block ends; the web is not one of them."""
    clock = clock or SystemClock()
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = await asyncio.to_thread(Database, settings.database)
    stream = Stream(uuid7())
    fleet = Fleet(database, stream, clock, catalogue_of(settings.profiles_folder))
    attention, zone = Attention(fleet), ZoneInfo(settings.timezone)
    sessions = SessionDesk(database, fleet, stream, clock)
    confirmations = ConfirmationDesk(database, fleet, stream, clock)
    await fleet.load()
    await confirmations.load()
    await sessions.load()
    signer = await asyncio.to_thread(signer_of, settings.keys_folder, settings.signer_socket)
    authority = await asyncio.to_thread(AuthorityFiles, settings.authority_folder, clock)
    broker = partial(_broker_of, settings, authority)
    link = FleetLink(broker, signer)
    commands = CommandDesk(database, fleet, link, stream, clock, sessions.is_live, settings.second_person)
    ingest = Ingest(link, fleet, database, stream, clock)
    line_tests = LineTestDesk(
        database, fleet, commands, stream, clock, sessions.is_any_live, settings.line_test_share, settings.line_test_s
    )
    await line_tests.load()
    active = ActiveDesk(fleet, commands, line_tests, sessions, clock)
    identities = IdentityDesk(database, fleet, link, stream, clock, settings, authority, broker)
    await identities.load()
    gates = GateDesk(
        database, fleet, stream, clock, sessions, confirmations, attention,
        lambda: identities.valid_until if settings.broker_tls else None,
    )  # fmt: skip
    audit = AuditDesk(database, clock)
    box = await asyncio.to_thread(SecretBox, settings.keys_folder)
    secrets = SecretDesk(database, fleet, stream, clock, box, lambda: identities.sealing_keys)
    await secrets.load()
    known = Known(database, clock)
    await known.load()
    rollout = RolloutDesk(database, fleet, stream, clock, settings)
    provision = ProvisionDesk(database, fleet, commands, sessions, stream, clock)
    await rollout.load()
    await provision.load()
    server = Server(
        settings,
        clock,
        database,
        fleet,
        link,
        ingest,
        stream,
        commands,
        sessions,
        confirmations,
        gates,
        StageDesk(database, sessions, gates, stream, clock, active.carry_out),
        active,
        SeriesDesk(database, sessions, clock, zone),
        Watch(database, fleet, stream, clock, sessions, gates),
        NewsDesk(database, sessions, gates, link, clock, settings.gate_webhook),
        MinuteDesk(database, signer, clock, zone, settings.office, settings.own_url),
        line_tests,
        rollout,
        provision,
        identities,
        signer,
        secrets,
        known,
        PeopleDesk(database, known, clock),
        SignInDesk(database, known, clock, settings, box, audit),
        Provider(settings.provider, settings.own_url, clock) if settings.provider else None,
        audit,
        Refusals(settings.broker_folder / LOG, partial(_record_refusals, audit)),
    )
    work: list[Callable[[], Awaitable[None]]] = [
        ingest.run,
        Timers(fleet, database).run,
        Deadlines(database, commands, clock).run,
        line_tests.run,
        provision.run,
        provision.mend,
        identities.run,
        identities.doors.keep_certificates,
        known.run,
        lambda: server.refusals.run(clock),
        server.stages.run,
        server.series.run,
        server.watch.run,
        server.news.run,
        lambda: _tell_config(server, attention),
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
        config = uvicorn.Config(
            app, host=settings.host, port=settings.port, log_level="warning", access_log=False,
            server_header=False, timeout_graceful_shutdown=2, h11_max_incomplete_event_size=32_768,
        )  # fmt: skip
        if settings.web_tls:
            authority = server.identities.authority
            config.ssl_certfile, key = authority.service("web", settings.names, authority.issuing)
            config.ssl_keyfile = str(key)
        web = uvicorn.Server(config)
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
        try:
            await web.serve(sockets=[line])
        finally:
            echo.close()


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


async def _forever(part: Callable[[], Awaitable[None]]) -> None:
    """A part that fails takes the server down with it: half a server would show what is not so."""
    await part()


async def _tell_config(server: Server, attention: Attention) -> None:
    """Tell a room how it should be: on each new connection, and when something of it changes. The broker keeps it for
    rooms that are away."""
    breaks = -1
    told: dict[str, tuple[tuple[Fit, ...], tuple[DesiredDevice, ...], str, float]] = {}
    while True:
        if server.link.breaks != breaks:
            breaks, told = server.link.breaks, {}
        issuing = server.identities.authority.issuing_name
        for site, entry in server.fleet.entries.items() if server.link.is_connected else ():
            devices = server.secrets.told(site, server.rollout.desired.get(site, ()))
            blueprint = blueprints().get(entry.site.kind)
            if blueprint is None or not blueprint.agent:
                continue
            often = attention.is_wanted(site) or server.sessions.is_live(site)
            rests_on = (entry.fits, devices, issuing, _interval_s(blueprint, often))
            if told.get(site) == rests_on:
                continue
            if server.link.say_config(_config_of(server, site, *rests_on)):
                told[site] = rests_on
        await asyncio.sleep(_CONFIG_EVERY_S)


def _interval_s(blueprint: Blueprint, often: bool) -> float:
    """A room that is in use, or is about to be decided on, reports so often that a decision can rest on it."""
    return min(OFTEN_S, blueprint.report_interval_s) if often else blueprint.report_interval_s


def _config_of(
    server: Server, site: str, fits: Sequence[Fit], desired: tuple[DesiredDevice, ...], issuing: str, interval_s: float
) -> Config:
    keys, spread_s = server.signer.public_keys, server.settings.renewal_spread_s
    wanted = Config(
        site, "0" * 16, server.clock.now(), interval_s, desired, proved_of(fits), keys, issuing, spread_s,
    )  # fmt: skip
    return msgspec.structs.replace(wanted, revision=config_revision(wanted))


def _broker_of(settings: Settings, authority: AuthorityFiles) -> Broker:
    """How we reach the broker: by its inner door, with the certificate that opens it."""
    tls = None
    if settings.broker_tls:
        certificate, key = authority.service(SERVER_NAME, (), authority.centre)
        tls = Tls(authority.trusted_by_rooms, str(certificate), str(key))
    return Broker(settings.broker_host, settings.broker_port, SERVER_NAME, tls)


async def _record_refusals(audit: AuditDesk, who: str, count: int) -> None:
    """A burst at the broker has begun (0), or has ended."""
    site = None if who in (STRANGER, SERVER_NAME) else who
    said = {"count": count} if count else {}
    try:
        await audit.record("broker", "broker.refused", "refused", site=site, origin="", client=who, **said)
    except SQLAlchemyError as error:
        log.error("refusals_not_recorded client=%s count=%d error=%s", who, count, error)


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
