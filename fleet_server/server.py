"""What a route may reach: the desks and the state, as one object that the application carries."""

from msgspec import Struct

from fleet_server.active.desk import ActiveDesk
from fleet_server.active.recordings import RecordingDesk
from fleet_server.alerts.desk import IncidentDesk
from fleet_server.alerts.directory import Directory
from fleet_server.alerts.links import LinkDesk
from fleet_server.alerts.outbox import Outbox
from fleet_server.alerts.replies import ReplyDesk
from fleet_server.alerts.watch import AlertWatch
from fleet_server.broker.refusals import Refusals
from fleet_server.campaigns.firmware import FirmwareCampaigns
from fleet_server.campaigns.releases import ReleaseCampaigns
from fleet_server.commands.desk import CommandDesk
from fleet_server.config import Settings
from fleet_server.history.recorder import Recorder
from fleet_server.identities.desk import IdentityDesk
from fleet_server.ingest.loop import Ingest
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
from fleet_server.sessions.confirmations import ConfirmationDesk
from fleet_server.sessions.desk import SessionDesk
from fleet_server.sessions.gates import GateDesk
from fleet_server.sessions.news import NewsDesk
from fleet_server.sessions.rehearsals import RehearsalDesk
from fleet_server.sessions.series import SeriesDesk
from fleet_server.sessions.stages import StageDesk
from fleet_server.sessions.watch import Watch
from fleet_server.state.fleet import Fleet
from fleet_server.store.database import Database
from fleet_server.zalo.consent import ConsentDesk
from wire.signing import Signer
from wire.times import Clock


class Server(Struct, frozen=True):
    """The parts of a running server."""

    settings: Settings
    clock: Clock
    database: Database
    fleet: Fleet
    link: FleetLink
    ingest: Ingest
    stream: Stream
    commands: CommandDesk
    sessions: SessionDesk
    confirmations: ConfirmationDesk
    gates: GateDesk
    stages: StageDesk
    active: ActiveDesk
    recordings: RecordingDesk
    recorder: Recorder
    directory: Directory
    alerts: AlertWatch
    incidents: IncidentDesk
    outbox: Outbox
    links: LinkDesk
    replies: ReplyDesk
    consent: ConsentDesk
    reports: ReportDesk
    series: SeriesDesk
    rehearsals: RehearsalDesk
    watch: Watch
    news: NewsDesk
    minutes: MinuteDesk
    line_tests: LineTestDesk
    releases: ReleaseCampaigns
    firmware: FirmwareCampaigns
    rollout: RolloutDesk
    provision: ProvisionDesk
    identities: IdentityDesk
    signer: Signer
    secrets: SecretDesk
    known: Known
    people: PeopleDesk
    sign_ins: SignInDesk
    provider: Provider | None
    audit: AuditDesk
    refusals: Refusals
