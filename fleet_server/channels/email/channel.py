"""E-mail: on from the first day, and never less than the last resort."""

import asyncio

from fleet_server.channels.channel import Channel, Message, Resources
from fleet_server.channels.email.mailer import ADDRESS, Mailer


class Email(Channel):
    """The address is one mailbox."""

    NAME = "email"
    MOST_CHARACTERS = 20_000

    def __init__(self, given: Resources) -> None:
        super().__init__(given)
        self._mailer = Mailer(given.environment)

    @classmethod
    def takes(cls, address: str) -> bool:
        """One address, and nothing that could be a header."""
        return ADDRESS.fullmatch(address) is not None and address.isprintable()

    @property
    def is_configured(self) -> bool:
        """Whether a server is named."""
        return self._mailer.is_configured

    async def check(self) -> None:
        """Talk to the server, and prove who we are."""
        await asyncio.to_thread(self._mailer.send, None, "", self.given.clock.now())

    async def send(self, message: Message, address: str) -> str:
        """One message to one address."""
        return await asyncio.to_thread(self._mailer.send, message, address, self.given.clock.now())


CHANNEL = Email
