"""What the channels of the Official Account have in common."""

import unicodedata
from typing import Any

from fleet_server.channels.channel import Channel, Resources
from fleet_server.zalo.account import Account
from fleet_server.zalo.settings import ZaloSettings, settings_of


class ZaloChannel(Channel):
    """Sends by the account's token, which all of them share through the database."""

    def __init__(self, given: Resources) -> None:
        super().__init__(given)
        self.account = Account(given, settings_of(given.environment))

    @property
    def settings(self) -> ZaloSettings:
        """Of the account."""
        return self.account.settings

    @property
    def is_configured(self) -> bool:
        """Whether an app is named."""
        return self.settings.is_complete

    async def keep(self) -> None:
        """The token, renewed in good time. Raises Undelivered."""
        await self.account.keep_token()

    async def check(self) -> None:
        """Whether the account could send. Raises Undelivered."""
        await self.account.check()

    async def send_text(self, path: str, recipient: dict[str, str], text: str) -> str:
        """A text to a person or a group; what Zalo calls it. What looks like a mention is made none."""
        shown = unicodedata.normalize("NFC", text).replace("[@", "[ @")[: self.MOST_CHARACTERS]
        body: dict[str, Any] = {"recipient": recipient, "message": {"text": shown}}
        found = await self.account.call("POST", f"{self.settings.openapi}{path}", body)
        return str(found.get("message_id", ""))

    async def send_template(self, url: str, body: dict[str, Any]) -> dict[str, Any]:
        """A template; the data of the answer."""
        return await self.account.call("POST", url, body)
