"""Zalo's bot platform, as its public material has it: an envelope with `ok`, the token in the address."""

import json
from typing import Any

from tests.counterparts.zalo_answers import Answer
from tests.counterparts.zalo_messages import ZaloMessages

BOT = "123456:bot-token"


class ZaloBots(ZaloMessages):
    """One bot; the package counts what it writes."""

    bot_quota = 3_000

    def bot(self, path: str, body: bytes) -> Answer:
        """One call."""
        token, _, name = path.removeprefix("/bot").partition("/")
        if token != BOT:
            return _refused(401, "Unauthorized")
        if name == "getMe":
            return _well({"id": "1", "account_name": "Bot DiemCau", "account_type": "BASIC"})
        if name == "getUpdates":
            return _refused(408, "Request timeout")
        if name == "getWebhookInfo":
            return _refused(404, "Not Found")
        if name != "sendMessage":
            return _refused(404, "Not Found")
        said = json.loads(body)
        if not self.is_text(said.get("text")):
            return _refused(400, "Bad Request")
        if self.bot_quota <= 0:
            return _refused(429, "Quota exceeded")
        self.bot_quota -= 1
        self._taken(said["chat_id"], said["text"], {})
        return _well({"message_id": str(len(self.inbox)), "date": 0})


def _well(result: dict[str, Any]) -> Answer:
    return 200, json.dumps({"ok": True, "result": result}).encode(), {}


def _refused(code: int, why: str) -> Answer:
    return 200, json.dumps({"ok": False, "error_code": code, "description": why}).encode(), {}
