"""The one place where the parts of the server are joined and its tasks are started."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import time
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy.exc import SQLAlchemyError

from firmware_profiles.loader import catalogue_of
from fleet_server.active.desk import ActiveDesk
from fleet_server.active.recordings import RecordingDesk
from fleet_server.alerts.centre import CentreHealth
from fleet_server.alerts.desk import IncidentDesk
from fleet_server.alerts.digests import Digests
from fleet_server.alerts.directory import Directory
from fleet_server.alerts.heartbeat import Heartbeat
from fleet_server.alerts.links import LinkDesk
from fleet_server.alerts.outbox import Outbox
from fleet_server.alerts.replies import ReplyDesk
from fleet_server.alerts.rooms import Rooms
from fleet_server.alerts.watch import AlertWatch
from fleet_server.authority.files import AuthorityFiles
from fleet_server.broker.mosquitto import LOG, SERVER_NAME
from fleet_server.broker.refusals import STRANGER, Refusals
from fleet_server.campaigns.firmware import FirmwareCampaigns
from fleet_server.campaigns.hub_line import HubLine
from fleet_server.campaigns.images import Images
from fleet_server.campaigns.releases import ReleaseCampaigns
from fleet_server.campaigns.shelf import Shelf
from fleet_server.channels.channel import Resources
from fleet_server.channels.registry import channels
from fleet_server.commands.deadlines import Deadlines
from fleet_server.commands.desk import CommandDesk
from fleet_server.config import Settings
from fleet_server.domain.history import Hours
from fleet_server.failing import Failing
from fleet_server.history.recorder import Recorder
from fleet_server.identities.desk import IdentityDesk
from fleet_server.ingest.loop import Ingest
from fleet_server.keeping.nightly import overdue_h
from fleet_server.line_tests.desk import LineTestDesk
from fleet_server.link import FleetLink
from fleet_server.live.stream import Stream
from fleet_server.minutes.desk import MinuteDesk
from fleet_server.people.audit import AuditDesk
from fleet_server.people.desk import PeopleDesk
from fleet_server.people.known import Known
from fleet_server.people.provider import Provider
from fleet_server.people.sign_ins import SignInDesk
from fleet_server.reports.desk import ReportDesk
from fleet_server.rollout.desk import RolloutDesk
from fleet_server.rollout.provision import ProvisionDesk
from fleet_server.rollout.secrets import SecretDesk
from fleet_server.server import Server
from fleet_server.sessions.confirmations import ConfirmationDesk
from fleet_server.sessions.desk import SessionDesk
from fleet_server.sessions.gates import GateDesk
from fleet_server.sessions.news import NewsDesk
from fleet_server.sessions.rehearsals import RehearsalDesk
from fleet_server.sessions.series import SeriesDesk
from fleet_server.sessions.stages import StageDesk
from fleet_server.sessions.watch import Watch
from fleet_server.signing.process import signer_of
from fleet_server.signing.secret_box import SecretBox
from fleet_server.state.attention import Attention
from fleet_server.state.fleet import Fleet
from fleet_server.state.hub_line import hub_mbit_s
from fleet_server.state.timers import Timers
from fleet_server.store.database import Database
from fleet_server.telling import tell_rooms
from fleet_server.watchdog import Watchdog
from fleet_server.zalo.consent import ConsentDesk
from wire.ids import uuid7
from wire.mqtt import Broker
from wire.service_manager import ServiceManager
from wire.times import Clock, SystemClock
from wire.tls import Tls

log = logging.getLogger("diemcau.server")

_SITES_EVERY_S, _LEARNT_LOOK_S = 5.0, 1.0


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
    hours = _hours_of(settings, zone)
    box = await asyncio.to_thread(SecretBox, settings.keys_folder)
    directory = Directory(database, fleet, stream, clock, box)
    await directory.load()
    recorder = Recorder(database, fleet, stream, clock, hours, lambda: directory.book.holidays)
    gates = GateDesk(
        database, fleet, stream, clock, sessions, confirmations, attention,
        lambda: identities.valid_until if settings.broker_tls else None,
    )  # fmt: skip
    rooms = Rooms(fleet, sessions, gates, lambda: commands.blinded)
    centre = CentreHealth(lambda: link.is_connected, lambda: overdue_h(settings.folder, clock.now()))
    resources = Resources(os.environ, clock, database, box, signer, settings.own_url)
    ways = {name: kind(resources) for name, kind in channels().items()}
    outbox = Outbox(database, stream, clock, zone, directory, rooms, centre, ways, settings.own_url)
    alerts = AlertWatch(database, stream, clock, hours, directory, rooms, centre, outbox.wake)
    incidents = IncidentDesk(database, alerts, clock)
    audit = AuditDesk(database, clock)
    secrets = SecretDesk(database, fleet, stream, clock, box, lambda: identities.sealing_keys)
    await secrets.load()
    known = Known(database, clock)
    await known.load()
    rollout = RolloutDesk(database, fleet, stream, clock, settings)
    provision = ProvisionDesk(database, fleet, commands, sessions, stream, clock)
    await rollout.load()
    await provision.load()
    line = HubLine(partial(hub_mbit_s, fleet), sessions.is_any_live)
    tickets = box.derived("release tickets"), settings.own_url, lambda: link.is_connected, line
    shelf, images = (
        Shelf(settings.releases_folder, settings.release_key),
        Images(settings.firmware_folder, settings.release_key),
    )
    releases = ReleaseCampaigns(database, fleet, sessions, stream, clock, *tickets, shelf)
    firmware = FirmwareCampaigns(database, fleet, sessions, stream, clock, *tickets, images, commands, zone)
    await releases.load()
    await firmware.load()
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
        RecordingDesk(database, fleet, commands, sessions, clock),
        recorder,
        directory,
        alerts,
        incidents,
        outbox,
        LinkDesk(database, incidents, directory, clock),
        ReplyDesk(database, directory, incidents, audit, clock),
        ConsentDesk(resources),
        ReportDesk(database, clock, zone),
        SeriesDesk(database, sessions, clock, zone),
        RehearsalDesk(database, gates, clock),
        Watch(database, fleet, stream, clock, sessions, gates),
        NewsDesk(database, sessions, gates, link, clock, settings.gate_webhook),
        MinuteDesk(database, signer, clock, zone, settings.office, settings.own_url),
        line_tests,
        releases,
        firmware,
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
        server.recordings.run,
        server.releases.run,
        server.firmware.run,
        server.recorder.run,
        server.alerts.run,
        server.outbox.run,
        server.outbox.keep_channels,
        server.replies.run,
        Heartbeat(settings.heartbeat, lambda: server.outbox.is_at_work).run,
        Digests(database, alerts, clock, outbox.wake).run,
        lambda: tell_rooms(server, attention),
        lambda: _notice_sites(server),
        lambda: _tell_what_was_learnt(fleet, stream),
        Watchdog(database, link, clock, ServiceManager()).run,
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


async def _forever(part: Callable[[], Awaitable[None]]) -> None:
    """A part that fails takes the server down with it: half a server would show what is not so."""
    await part()


def _hours_of(settings: Settings, zone: ZoneInfo) -> Hours:
    begins, ends = (time.fromisoformat(part) for part in settings.working_hours.split("-"))
    return Hours(begins, ends, zone)


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


async def _tell_what_was_learnt(fleet: Fleet, stream: Stream) -> None:
    """Pages say while the server is not sure yet, and have to hear when it is."""
    was_learning = fleet.is_learning
    while True:
        await asyncio.sleep(_LEARNT_LOOK_S)
        if was_learning and not fleet.is_learning:
            stream.publish("server", learning=False)
        was_learning = fleet.is_learning


async def _notice_sites(server: Server) -> None:
    """Sites may be imported while we run."""
    failing = Failing(log, "sites_unreadable")
    while True:
        await asyncio.sleep(_SITES_EVERY_S)
        with failing:
            if await server.fleet.take_new_sites():
                server.link.hear_again()
