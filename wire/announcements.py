"""What the centre says for whoever may listen: conference software, a door sign, a program of others."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from wire.fields import Count, Long, Moment, Short
from wire.ids import Uuid
from wire.topics import Announced, Kind


class GateNews(Struct, frozen=True):
    """How a session stands: what was decided by a person, and what would be recommended now. No room and no name."""

    kind: ClassVar[Kind] = Announced.GATE
    session: Uuid
    at: Moment
    starts_at: Moment
    ends_at: Moment
    decision: Literal["none", "go", "no_go", "cancelled"]
    recommended: Literal["go", "no_go"]
    sites: Count
    admitted: Count
    rehearsal: bool = False
    schema: Literal[1] = 1


class MinuteSeal(Struct, frozen=True):
    """The centre's word for a technical minute, whatever form it has."""

    kind: ClassVar[Kind] = Announced.MINUTE
    minute: Uuid
    session: Uuid
    at: Moment
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    """Of the file's bytes before the seal."""
    schema: Literal[1] = 1


class AlertNews(Struct, frozen=True):
    """What the centre tells a program of others of an incident; no name of a person is in it."""

    kind: ClassVar[Kind] = Announced.ALERT
    at: Moment
    thread: Short
    """The same for all that is said of one incident."""
    first: bool
    urgent: bool
    subject: Long
    text: Annotated[str, Meta(max_length=4_000)]
    lang: Literal["vi", "en"]
    schema: Literal[1] = 1
