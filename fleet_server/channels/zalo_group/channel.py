"""A message into a group of the Official Account (GMF): day and night, no window, no template."""

import re

from fleet_server.channels.channel import Message
from fleet_server.zalo.channel import ZaloChannel

_GROUP = re.compile(r"[A-Za-z0-9]{6,40}")


class ZaloGroup(ZaloChannel):
    """The address is the group's id."""

    NAME = "zalo_group"

    @classmethod
    def takes(cls, address: str) -> bool:
        """An id, as Zalo gives it."""
        return _GROUP.fullmatch(address) is not None

    async def send(self, message: Message, address: str) -> str:
        """One text."""
        return await self.send_text("/v3.0/oa/group/message", {"group_id": address}, message.text)


CHANNEL = ZaloGroup
