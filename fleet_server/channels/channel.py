"""What a channel promises. It sends and says "permanent or worth a retry"; it decides nothing else."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from msgspec import Struct

from fleet_server.errors import FleetError
from fleet_server.signing.secret_box import SecretBox
from fleet_server.store.database import Database
from wire.signing import Signer
from wire.times import Clock


class Message(Struct, frozen=True):
    """What is to be said: the same for every channel, each of which takes what it can show."""

    subject: str
    text: str
    """Plain, a few lines; the last of them is the link."""
    html: str
    thread: str
    """What it belongs to, as an identifier: the messages of one incident hang together."""
    first: bool
    """The first of its thread."""
    urgent: bool
    lang: str
    values: Mapping[str, str] = {}
    """The same in parts, for templates: place, what, since, link."""
    reply: str = ""
    """What one can answer, for channels by which answers come back."""
    stop: str = ""
    """A link by which its reader ends such messages, for channels that go to one person and have room for it."""


class Undelivered(FleetError):
    """It did not go out. `permanent`: trying again is of no use; `whole_channel`: nothing else will go out either."""

    status = 503

    def __init__(self, why: str, *, permanent: bool, whole_channel: bool = False) -> None:
        super().__init__("alerts.undelivered", why=why)
        self.why, self.permanent, self.whole_channel = why[:200], permanent, whole_channel


class Resources(Struct, frozen=True):
    """What a channel may use."""

    environment: Mapping[str, str]
    clock: Clock
    database: Database
    box: SecretBox
    signer: Signer
    own_url: str


class Channel(ABC):
    """One way to reach people. `send` ends within its own deadline."""

    NAME: ClassVar[str]
    MOST_CHARACTERS: ClassVar[int] = 2_000

    def __init__(self, given: Resources) -> None:
        """Raises WrongSettings for settings that cannot be used."""
        self.given = given

    @classmethod
    @abstractmethod
    def takes(cls, address: str) -> bool:
        """Whether it could be an address of this channel."""

    @classmethod
    def shown(cls, address: str) -> str:
        """As much of an address as other people see."""
        return address if len(address) <= 6 else f"{address[:3]}…{address[-3:]}"

    @property
    @abstractmethod
    def is_configured(self) -> bool:
        """Whether anything can be sent at all."""

    async def keep(self) -> None:
        """What it needs beside sending, such as a token to be renewed; called twice a minute. Raises Undelivered."""

    async def check(self) -> None:
        """Whether it works, without writing to anybody. Raises Undelivered."""

    @abstractmethod
    async def send(self, message: Message, address: str) -> str:
        """Send it; what the channel calls it. Raises Undelivered."""
