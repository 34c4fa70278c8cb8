"""A consultation message (tin tư vấn) to one person, within seven days of their last word to the account."""

import re

from fleet_server.channels.channel import Message
from fleet_server.zalo.channel import ZaloChannel

_MOST = 500
_USER = re.compile(r"\d{6,30}")


class ZaloPerson(ZaloChannel):
    """The address is the person's id at this account; it is no telephone number."""

    NAME = "zalo_person"

    @classmethod
    def takes(cls, address: str) -> bool:
        """Digits, as Zalo gives them."""
        return _USER.fullmatch(address) is not None

    async def send(self, message: Message, address: str) -> str:
        """One text."""
        text, with_reply = message.text, f"{message.text}\n{message.reply}"
        if message.reply and self.settings.webhook_secret and len(with_reply) <= _MOST:
            text = with_reply
        return await self.send_text("/v3.0/oa/message/cs", {"user_id": address}, text)


CHANNEL = ZaloPerson
