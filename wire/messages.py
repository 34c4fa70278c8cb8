"""The messages of the contract. Field names are the words of the field; times are aware and in UTC."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct, field

from wire.announcements import AlertNews, GateNews, MinuteSeal
from wire.description import ActionSpec, Name, ReadingSpec, Role
from wire.fields import (
    Count,
    Long,
    Moment,
    Params,
    Pem,
    Plain,
    PlainSettings,
    PublicKey,
    Revision,
    Seconds,
    Short,
    Value,
)
from wire.ids import DeviceId, SiteId, Uuid
from wire.topics import RoomKind, Said, Told

DeviceState = Literal[
    "ok",
    "waiting",
    "not_answering",
    "wrong_credentials",
    "wrong_clock",
    "bad_answer",
    "stale_answer",
    "misconfigured",
]


class Presence(Struct, frozen=True):
    """Is the agent there? `lost` is said by the broker in the agent's name."""

    kind: ClassVar[RoomKind] = Said.PRESENCE
    status: Literal["online", "offline", "lost"]
    agent_version: Short
    boot_id: Uuid
    schema: Literal[1] = 1


class DeviceAbout(Struct, frozen=True, gc=False, omit_defaults=True):
    """One device of a room: what it is and which actions it offers now."""

    id: DeviceId
    role: Role
    driver: Name
    make: Short = ""
    model: Short = ""
    serial: Short = ""
    firmware: Short = ""
    actions: Annotated[tuple[ActionSpec, ...], Meta(max_length=64)] = ()


class FoundDevice(Struct, frozen=True, gc=False, omit_defaults=True):
    """Something in the room that nobody has configured; no credential was sent to find it."""

    driver: Name
    role: Role
    address: Short
    """What tells it from others: host and port, or a node of the PC."""
    make: Short = ""
    model: Short = ""
    serial: Short = ""
    settings: PlainSettings = {}
    """What a driver must be told to reach it, as far as finding it has told."""


class About(Struct, frozen=True, gc=False):
    """What a room consists of. `readings` holds, for each driver in use, what it observes."""

    kind: ClassVar[RoomKind] = Said.ABOUT
    revision: Revision
    devices: Annotated[tuple[DeviceAbout, ...], Meta(max_length=64)]
    readings: Annotated[dict[Name, Annotated[tuple[ReadingSpec, ...], Meta(max_length=64)]], Meta(max_length=32)]
    found: Annotated[tuple[FoundDevice, ...], Meta(max_length=64)] = ()
    schema: Literal[1] = 1


class Reading(Struct, frozen=True, gc=False, array_like=True):
    """One observed value: `[key, value, age in seconds when it was sent]`; its unit stands in `about`."""

    key: Name
    value: Value
    age_s: Seconds


class DeviceReport(Struct, frozen=True, gc=False, omit_defaults=True):
    """One device at one moment. In any state but `ok` the readings are the last ones seen, at their age."""

    id: DeviceId
    state: DeviceState
    age_s: Seconds
    """How long ago this state was found."""
    detail: Short = ""
    readings: Annotated[tuple[Reading, ...], Meta(max_length=128)] = ()


class Report(Struct, frozen=True, gc=False):
    """A whole room at one moment. The newest `(boot_id, seq)` replaces every other."""

    kind: ClassVar[RoomKind] = Said.REPORT
    boot_id: Uuid
    seq: Count
    at: Moment
    about_revision: Revision
    config_revision: Revision
    devices: Annotated[tuple[DeviceReport, ...], Meta(max_length=64)]
    schema: Literal[1] = 1


class EventEntry(Struct, frozen=True, tag_field="entry", tag="event"):
    """Something happened in the room."""

    n: Count
    at: Moment
    event: Name
    device: DeviceId | None = None
    params: Params = {}


class StepEntry(Struct, frozen=True, tag_field="entry", tag="step"):
    """A command came one step further."""

    n: Count
    at: Moment
    command: Uuid
    state: Literal["accepted", "running", "succeeded", "failed", "refused", "interrupted"]
    detail: Name
    params: Params = {}


class SummaryEntry(Struct, frozen=True, tag_field="entry", tag="summary"):
    """Stands for the events `first` to `n` that the room no longer had space for."""

    n: Count
    at: Moment
    first: Count
    events: Annotated[dict[Name, Count], Meta(max_length=64)]


LogEntry = EventEntry | StepEntry | SummaryEntry


class LogBatch(Struct, frozen=True):
    """Entries of the room's log, from the first that the server has not acknowledged."""

    kind: ClassVar[RoomKind] = Said.LOG
    log_id: Uuid
    entries: Annotated[tuple[LogEntry, ...], Meta(min_length=1, max_length=100)]
    from_: Count = field(name="from")
    schema: Literal[1] = 1


class Ack(Struct, frozen=True):
    """The server has committed the room's log through this entry.

    A signed answer to what the room has just said is also what the room measures its clock by: `at` lies between its
    question and this answer.
    """

    kind: ClassVar[RoomKind] = Told.ACK
    site: SiteId
    log_id: Uuid
    through: Count
    at: Moment
    schema: Literal[1] = 1


class Command(Struct, frozen=True):
    """One request to one device, for the life of the agent that `boot_id` names and at most `LONGEST_COMMAND_S`."""

    kind: ClassVar[RoomKind] = Told.COMMAND
    id: Uuid
    site: SiteId
    boot_id: Uuid
    device: DeviceId
    action: Name
    params: Params
    not_before: Moment
    expires_at: Moment
    requested_by: Short
    schema: Literal[1] = 1


class Secret(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Stands for a password: what the room itself keeps under this name, or what the centre has sealed to the room."""

    secret: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$(?!\n)")]
    sealed: Annotated[str, Meta(max_length=2_000)] = ""
    """A sealed box (libsodium) in base64 that only this room's machine can open: the name, a line's end, the value."""


class DesiredDevice(Struct, frozen=True, omit_defaults=True):
    """A device that the centre wants watched, beside those of the room's own file."""

    id: DeviceId
    role: Name
    """One that the room does not know keeps this device out, and nothing else of what it is told."""
    driver: Name
    settings: Annotated[dict[Name, Plain | Secret], Meta(max_length=32)] = {}
    poll_s: Annotated[float, Meta(ge=1, le=3600)] = 15.0


class WantedFile(Struct, frozen=True, kw_only=True):
    """A file that a room is to fetch; what it holds is signed by whoever made it, not by the centre."""

    size: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    url: Long
    """Where it is fetched, with the room's ticket in it."""
    rate_kbit_s: Annotated[float, Meta(ge=8, le=1e6)]
    """How much of the line it may take."""


class WantedRelease(WantedFile, frozen=True, kw_only=True):
    """The release that a room is to fetch and try."""

    version: Annotated[str, Meta(pattern=r"^\d{1,4}(\.\d{1,4}){1,3}[a-z0-9.+-]{0,24}$(?!\n)")]


class Config(Struct, frozen=True):
    """What the room should be like; the report repeats the revision once it is in force."""

    kind: ClassVar[RoomKind] = Told.CONFIG
    site: SiteId
    revision: Revision
    at: Moment
    """When it was said: an older one never replaces a newer."""
    interval_s: Annotated[float, Meta(ge=1, le=3600)]
    devices: Annotated[tuple[DesiredDevice, ...], Meta(max_length=64)] = ()
    proved: Annotated[dict[DeviceId, Annotated[tuple[Name, ...], Meta(max_length=64)]], Meta(max_length=64)] = {}
    """Of the actions that need proof, those that the profiles say were proved on the model."""
    signing_keys: Annotated[tuple[PublicKey, ...], Meta(max_length=2)] = ()
    """The keys to pin from now on: the one that signs and the one that will sign next."""
    authority: Short = ""
    """The one that issues certificates now: whoever has one of another asks for a new one, spread over some time."""
    renewal_spread_s: Annotated[float, Meta(ge=0, le=864_000)] = 0.0
    release: WantedRelease | None = None
    """To be fetched and tried; None: the one that runs stays."""
    firmware: Annotated[tuple[WantedFile, ...], Meta(max_length=4)] = ()
    """Images to be fetched and kept for the room's devices; what is not here any more is thrown away."""
    schema: Literal[1] = 1


class Renewal(Struct, frozen=True):
    """The room asks for its next certificate; it has made the key itself."""

    kind: ClassVar[RoomKind] = Said.RENEWAL
    id: Uuid
    request: Pem
    schema: Literal[1] = 1


class Certificate(Struct, frozen=True):
    """The answer: the certificate, and all authorities to trust from now on."""

    kind: ClassVar[RoomKind] = Told.CERTIFICATE
    site: SiteId
    renewal: Uuid
    at: Moment
    certificate: Pem
    authority: Short
    """Name of the one that issued it."""
    renew_after: Moment
    authorities: Pem
    schema: Literal[1] = 1


LONGEST_COMMAND_S = 300
"""From `not_before` to `expires_at` of a command; a room refuses one that would live longer."""

REPORT_EXPIRY_S = 86_400
"""Message expiry of a report, a day: what is left of it tells the server how long the report waited at the broker."""

RoomMessage = Presence | About | Report | LogBatch | Renewal | Ack | Command | Config | Certificate
Message = RoomMessage | GateNews | MinuteSeal | AlertNews
