"""A template message (the former ZNS): outside the seven days, with words that Zalo has approved."""

import re
from datetime import time
from zoneinfo import ZoneInfo

from fleet_server.channels.channel import Message, Undelivered
from fleet_server.zalo.channel import ZaloChannel

_ADDRESS = re.compile(r"(uid:\d{6,30}|84\d{9,10})")
_FROM, _UNTIL = time(6, 5), time(21, 50)
"""At night a template by telephone is refused, or comes without a sound."""
_MOST_VALUE = 90
_MAY_BE_SENT = ("ENABLE", "ENABLED")
_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


class ZaloTemplate(ZaloChannel):
    """The address is `uid:<id>` or a telephone number as `84…`."""

    NAME = "zalo_template"

    @classmethod
    def takes(cls, address: str) -> bool:
        """An id with `uid:` before it, or a number with the country before it."""
        return _ADDRESS.fullmatch(address) is not None

    @property
    def is_configured(self) -> bool:
        """Whether an app and a template are named."""
        return self.settings.is_complete and bool(self.settings.template)

    async def check(self) -> None:
        """Whether the template may be sent. Raises Undelivered."""
        status = str((await self.account.template(self.settings.template)).get("status", ""))
        if status.upper() not in _MAY_BE_SENT:
            raise Undelivered(f"the template is {status[:40]}", permanent=True, whole_channel=True)

    async def send(self, message: Message, address: str) -> str:
        """The template with the message's parts in its places."""
        if not _FROM <= self.given.clock.now().astimezone(_ZONE).time() < _UNTIL:
            raise Undelivered("templates are not sent at night", permanent=True)
        known = self.settings
        values = {"text": message.text, **message.values}
        data = {theirs: values.get(ours, "-")[:_MOST_VALUE] or "-" for ours, theirs in known.template_data}
        body = {"template_id": known.template, "template_data": data}
        if address.startswith("uid:"):
            url = f"{known.openapi}/v3.0/oa/message/template"
            return str((await self.send_template(url, {"user_id": address[4:], **body})).get("message_id", ""))
        by_phone = {"phone": address, **body, "tracking_id": message.thread[:48]}
        return str((await self.send_template(f"{known.business}/message/template", by_phone)).get("msg_id", ""))


CHANNEL = ZaloTemplate
