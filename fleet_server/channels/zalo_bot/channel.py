"""The Zalo Bot platform: to whoever has written to the bot, and to groups that it is in."""

import re
import unicodedata
from pathlib import Path

import httpx

from fleet_server.channels.channel import Channel, Message, Resources, Undelivered
from fleet_server.errors import WrongSettings

_CHAT = re.compile(r"[A-Za-z0-9._-]{4,80}")
_WITHIN_S = 10.0
_FOR_THE_CHANNEL = {401, 403, 404}


class ZaloBot(Channel):
    """The address is a chat's id. The token stands in the address that is called, so no error may name that."""

    NAME = "zalo_bot"

    def __init__(self, given: Resources) -> None:
        super().__init__(given)
        env = given.environment
        file = env.get("DIEMCAU_ZALO_BOT_TOKEN_FILE")
        try:
            self._token = Path(file).read_text(encoding="utf-8").strip() if file else ""
        except OSError as error:
            raise WrongSettings("settings.secret_unreadable", file=file, detail=error.strerror) from error
        self._base = env.get("DIEMCAU_ZALO_BOT_BASE", "https://bot-api.zaloplatforms.com").rstrip("/")

    @classmethod
    def takes(cls, address: str) -> bool:
        """An id, as the bot gets it with a message."""
        return _CHAT.fullmatch(address) is not None

    @property
    def is_configured(self) -> bool:
        """Whether there is a token."""
        return bool(self._token)

    async def check(self) -> None:
        """Ask the bot who it is."""
        await self._call("getMe", {})

    async def send(self, message: Message, address: str) -> str:
        """One text."""
        text = unicodedata.normalize("NFC", message.text)[: self.MOST_CHARACTERS]
        found = await self._call("sendMessage", {"chat_id": address, "text": text})
        return str(found.get("message_id", ""))

    async def _call(self, name: str, body: dict[str, str]) -> dict[str, object]:
        if not self._token:
            raise Undelivered("no bot is configured", permanent=True, whole_channel=True)
        try:
            async with httpx.AsyncClient(timeout=_WITHIN_S, follow_redirects=False, trust_env=False) as client:
                answer = await client.post(f"{self._base}/bot{self._token}/{name}", json=body)
            said = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            why = f"bot: {type(error).__name__}"
            raise Undelivered(why, permanent=False, whole_channel=True) from None
        if not isinstance(said, dict) or said.get("ok") is not True:
            code = said.get("error_code") if isinstance(said, dict) else answer.status_code
            stops = code in _FOR_THE_CHANNEL
            raise Undelivered(f"bot: {code}", permanent=stops or code == 400, whole_channel=stops or code == 429)
        result = said.get("result")
        return result if isinstance(result, dict) else {}


CHANNEL = ZaloBot
