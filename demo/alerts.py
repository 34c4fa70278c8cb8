"""Alerts in the demo: a stand-in for Zalo takes them, and what it takes is printed."""

import json
from pathlib import Path
from typing import Any

from demo.centre import Ask
from fleet_server.durable import write_whole
from tests.counterparts.zalo_answers import Answer
from tests.counterparts.zalo_server import APP, GROUP, SECRET, WEBHOOK_SECRET, ZaloServer


class PrintedZalo(ZaloServer):
    """Shows on the console what the NOC's group would read."""

    def _taken(self, to: str, text: str, data: dict[str, Any], name: str = "message_id") -> Answer:
        shown = "\n  ".join(text.splitlines())
        print(f"Zalo (giả lập / stand-in):\n  {shown}", flush=True)
        return super()._taken(to, text, data, name)


def environment_of(zalo: ZaloServer, folder: Path) -> dict[str, str]:
    """What the server is told of it."""
    secret, webhook = folder / "zalo.secret", folder / "zalo-webhook.secret"
    write_whole(secret, SECRET.encode())
    write_whole(webhook, WEBHOOK_SECRET.encode())
    return {
        "DIEMCAU_ZALO_APP": APP, "DIEMCAU_ZALO_SECRET_FILE": str(secret), "DIEMCAU_ZALO_OAUTH": zalo.address,
        "DIEMCAU_ZALO_OPENAPI": zalo.address, "DIEMCAU_ZALO_BUSINESS": zalo.address,
        "DIEMCAU_ZALO_WEBHOOK_SECRET_FILE": str(webhook),
    }  # fmt: skip


def tokens_of(zalo: ZaloServer) -> str:
    """The first pair of tokens as JSON, as an administrator brings it."""
    return json.dumps({"access_token": zalo.access, "refresh_token": zalo.refresh})


def tell_the_noc(ask_api: Ask) -> None:
    """Somebody who is told."""
    noc = ask_api("/alerts/recipients", {"name": "NOC (nhóm Zalo)"})["id"]
    ask_api(f"/alerts/recipients/{noc}/contacts", {"channel": "zalo_group", "address": GROUP, "agreed": True})
