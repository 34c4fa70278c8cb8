"""Zalo's messages, as its public material has them: groups, persons within seven days, templates, rates, faults."""

import json
import re
import threading
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from tests.counterparts.zalo_answers import Answer, said
from tests.counterparts.zalo_tokens import ACCOUNT, ZaloTokens

GROUP = "f414c8f76fa586fbdfb4"
_WINDOW_S = 7 * 86_400
_MOST_CHARACTERS = 2_000
_NIGHT = (22, 6)
_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
_STOPS = {-219, -224}


@dataclass
class Template:
    """As the account had it approved."""

    asks: tuple[str, ...] = ("diem_cau", "noi_dung", "thoi_gian")
    status: str = "ENABLE"
    by_uid: bool = True
    at_night: bool = False


@dataclass
class ZaloMessages(ZaloTokens):
    """The account, whoever it can write to, and what it has written."""

    error: int = 0
    """Every message is answered with this error."""
    fault: str = ""
    """The next message: `reset` after it was stored, `html` with 502, `empty`, `401`, `texts`: codes as texts."""
    per_minute: int = 100
    development: bool = False
    """Templates go to administrators alone."""
    daily_quota: int = 5_000
    last_interaction: dict[str, float] = field(default_factory=dict)
    administrators: set[str] = field(default_factory=set)
    groups: dict[str, str] = field(default_factory=lambda: {GROUP: "Ca trực NOC"})
    templates: dict[str, Template] = field(default_factory=lambda: {"301234": Template()})
    inbox: list[dict[str, Any]] = field(default_factory=list)
    now: Callable[[], float] = time.time
    """The account's clock, in seconds since 1970."""

    def __post_init__(self) -> None:
        super().__init__()
        self._calls: list[float] = []
        self._lock = threading.Lock()
        self._stopped = False

    def sent_to(self, address: str) -> list[str]:
        """Texts that arrived at a person, a group or a chat."""
        with self._lock:
            return [said["text"] for said in self.inbox if said["to"] == address]

    def official(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> Answer | None:
        """One call of the account, with its rate shown."""
        with self._lock:
            self._calls = [at for at in self._calls if time.monotonic() - at < 60]
            self._calls.append(time.monotonic())
            left = self.per_minute - len(self._calls)
        shown = {"X-RateLimit-Limit": str(self.per_minute), "X-RateLimit-Remain": str(max(0, left))}
        answer = said(-32) if left < 0 else self._answered(method, path, query, headers, body)
        return (answer[0], answer[1], answer[2] | shown) if answer is not None else None

    def _answered(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> Answer | None:
        if self._stopped:
            self.violations.append("a call after the account was stopped")
        by_phone = path.startswith(("/message/", "/template/"))
        given = headers.get("access_token", "")
        if given != self.access:
            return said(-124 if by_phone else -220 if given in self.dead_access else -216)
        if method == "GET":
            return self._told(path, parse_qs(query))
        if self.error:
            self._stopped = self.error in _STOPS
            return said(self.error)
        try:
            asked = json.loads(body)
        except ValueError:
            return said(-201)
        if headers.get("content-type", "") != "application/json":
            return said(-201)
        taken = self._take(path, asked)
        return self._spoilt(taken) if self.fault else taken

    def _spoilt(self, answer: Answer) -> Answer | None:
        fault, self.fault = self.fault, ""
        if fault == "texts":
            return answer[0], answer[1].replace(b'"error": 0', b'"error": "0"'), answer[2]
        spoilt: dict[str, Answer] = {"html": (502, b"<html>", {}), "empty": (200, b"", {}), "401": (401, b"", {})}
        return spoilt.get(fault)

    def _told(self, path: str, asked: dict[str, list[str]]) -> Answer:
        if path == "/v2.0/oa/getoa":
            return said(0, {
                "oaid": ACCOUNT, "name": "UBND tỉnh Thanh Hóa", "oa_type": 4, "is_verified": True,
                "package_name": "Tăng trưởng", "package_valid_through_date": "31/12/2027",
            })  # fmt: skip
        if path == "/v3.0/oa/group/getgroupsofoa":
            groups = [{"group_id": id, "name": name} for id, name in self.groups.items()]
            return said(0, {"groups": groups, "total": len(groups)})
        if path == "/v3.0/oa/user/detail":
            user = json.loads(asked["data"][0])["user_id"]
            if user not in self.last_interaction:
                return said(-213)
            day = datetime.fromtimestamp(self.last_interaction[user], _ZONE).strftime("%d/%m/%Y")
            return said(0, {"user_id": user, "user_is_follower": True, "user_last_interaction_date": day})
        if path == "/template/info/v2":
            known = self.templates.get(asked.get("template_id", [""])[0])
            if known is None:
                return said(-109)
            asks = [{"name": name, "type": "STRING", "maxLength": 90} for name in known.asks]
            return said(0, {"status": known.status, "listParams": asks, "timeout": 7_200_000})
        if path == "/message/status":
            sent = [each for each in self.inbox if each["id"] == asked.get("message_id", [""])[0]]
            return said(0, {"status": 1 if sent else -1})
        return said(404)

    def _take(self, path: str, asked: dict[str, Any]) -> Answer:
        if path == "/v3.0/oa/group/message":
            return self._group(asked)
        if path == "/v3.0/oa/message/cs":
            return self._person(asked)
        if path == "/v3.0/oa/quota/message":
            user = asked.get("user_id")
            if user is not None:
                return said(0, {"last_interaction": round(self.last_interaction.get(user, 0) * 1_000), "cs_reply": 1})
            return said(0, {"asset_id": "1", "product_type": "cs", "quota_type": "sub_quota", "total": 1, "remain": 1})
        if path in ("/v3.0/oa/message/template", "/message/template"):
            return self._template(path, asked)
        if path in ("/v3.0/oa/message/transaction", "/v3.0/oa/message/promotion"):
            self.violations.append("a kind of message that was stopped on 1 March 2026")
        return said(-201)

    def _group(self, asked: dict[str, Any]) -> Answer:
        group, text = asked.get("recipient", {}).get("group_id"), asked.get("message", {}).get("text")
        if group not in self.groups:
            return said(-403)
        if "attachment" in asked["message"] or not self.is_text(text):
            return said(-201)
        if re.search(r"(?<![\w-])(?:\+?84|0)\d{9,10}(?![\w-])", text):
            self.violations.append("a telephone number in a group")
        return self._taken(group, text, {"group_id": group})

    def _person(self, asked: dict[str, Any]) -> Answer:
        user, text = asked.get("recipient", {}).get("user_id"), asked.get("message", {}).get("text")
        if user not in self.last_interaction:
            return said(-213)
        if self.now() - self.last_interaction[user] > _WINDOW_S:
            return said(-230)
        if not self.is_text(text):
            return said(-210)
        return self._taken(user, text, {"user_id": user, "quota": {"quota_type": "reply"}})

    def _template(self, path: str, asked: dict[str, Any]) -> Answer:
        known, by_uid = self.templates.get(asked.get("template_id", "")), path.startswith("/v3.0")
        if known is None:
            return said(-109)
        if known.status != "ENABLE":
            return said(-131)
        given, to = asked.get("template_data", {}), str(asked.get("user_id") or asked.get("phone"))
        if missing := set(known.asks) - given.keys():
            return said(-1122, message=f"missing {missing}")
        if any(len(value) > 90 for value in given.values()):
            return said(-1121)
        if by_uid and (not known.by_uid or "tracking_id" in asked):
            return said(-249 if not known.by_uid else -201)
        if not by_uid and (wrong := self._refuses(known, to)):
            return said(wrong)
        self.daily_quota -= 1
        data = {"quota": {"dailyQuota": "5000", "remainingQuota": str(self.daily_quota)}}
        text = json.dumps(given, ensure_ascii=False)
        return self._taken(to, text, data, "message_id" if by_uid else "msg_id")

    def _refuses(self, known: Template, phone: str) -> int:
        hour = datetime.fromtimestamp(self.now(), _ZONE).hour
        if not re.fullmatch(r"84\d{9,10}", phone):
            return -108
        if self.development and phone not in self.administrators:
            return -127
        if not known.at_night and (hour >= _NIGHT[0] or hour < _NIGHT[1]):
            return -133
        return -144 if self.daily_quota <= 0 else 0

    def _taken(self, to: str, text: str, data: dict[str, Any], name: str = "message_id") -> Answer:
        if text != unicodedata.normalize("NFC", text):
            self.violations.append("a text that is not NFC")
        with self._lock:
            number = str(9_007_199_254_740_993 + len(self.inbox))
            self.inbox.append({"id": number, "to": to, "text": text, "at": time.monotonic()})
        return said(0, {name: number, "sent_time": str(round(self.now() * 1_000)), **data})

    def is_text(self, text: object) -> bool:
        """Whether it could be sent."""
        return isinstance(text, str) and 0 < len(unicodedata.normalize("NFC", text)) <= _MOST_CHARACTERS
