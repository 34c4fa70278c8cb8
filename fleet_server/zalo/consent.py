"""The administrator's side of the account: consent, and what Zalo says of account, groups and template when asked."""

from datetime import datetime
from typing import Any

import httpx
from msgspec import Struct
from sqlalchemy import Connection

from fleet_server.channels.channel import Resources, Undelivered
from fleet_server.errors import Conflict, Invalid
from fleet_server.signing.secret_box import SecretBox
from fleet_server.zalo import oauth, store
from fleet_server.zalo.account import Account
from fleet_server.zalo.oauth import Pair
from fleet_server.zalo.settings import settings_of
from fleet_server.zalo.store import Tokens

CALLBACK, WEBHOOK = "/zalo/consent", "/api/v1/zalo/events"
_MOST_GROUPS = 50


class Template(Struct, frozen=True):
    """The template that messages outside the seven days go by."""

    status: str
    asks: tuple[str, ...]
    """The names that it wants filled."""
    missing: tuple[str, ...]
    """Those of them that DIEMCAU_ZALO_TEMPLATE_DATA does not fill."""


class AccountView(Struct, frozen=True):
    """As Zalo says it is."""

    name: str
    package: str
    package_until: str
    is_verified: bool
    groups: tuple[tuple[str, str], ...]
    """Id and name of each."""
    template: Template | None


class ConsentDesk:
    """For the page of the account."""

    def __init__(self, given: Resources) -> None:
        self._given, self.settings = given, settings_of(given.environment)
        self._account = Account(given, self.settings)

    @property
    def callback(self) -> str:
        """The address to enter in Zalo's console, where browsers come back to."""
        return f"{self._given.own_url}{CALLBACK}"

    @property
    def webhook(self) -> str:
        """The address to enter in Zalo's console, where its calls are heard."""
        return f"{self._given.own_url}{WEBHOOK}"

    @property
    def challenge(self) -> str:
        """The code challenge to enter in Zalo's console."""
        return oauth.challenge_of(self._verifier)

    def address(self, state: str) -> str:
        """Where to give consent. Raises Invalid where no app is set."""
        if not self.settings.is_complete:
            raise Invalid("alerts.no_zalo_app")
        return oauth.consent_address(self.settings, self.callback, self._verifier, state)

    async def take(self, code: str) -> None:
        """What the administrator came back with becomes our pair. Raises Conflict: the way is to give consent again."""
        if not self.settings.is_complete:
            raise Invalid("alerts.no_zalo_app")
        grant = {"code": code, "grant_type": "authorization_code", "code_verifier": self._verifier}
        try:
            found = await oauth.ask(self.settings, grant)
        except httpx.HTTPError as error:
            raise Conflict("alerts.zalo_no_consent", code=type(error).__name__, name="") from error
        if not isinstance(found, Pair):
            raise Conflict("alerts.zalo_no_consent", code=found.code, name=found.name)
        app, now = self.settings.app, self._given.clock.now()
        await self._given.database.write(lambda db: bring(db, self._given.box, app, found, now))

    async def tokens(self) -> Tokens | None:
        """How old the pair is, and whether it was given up."""
        return await self._given.database.read(lambda db: store.read(db, self.settings.app))

    async def look(self) -> AccountView:
        """Ask Zalo now. Raises Undelivered with what it said, Invalid where no app is set."""
        if not self.settings.is_complete:
            raise Invalid("alerts.no_zalo_app")
        base = self.settings.openapi
        account = await self._account.call("GET", f"{base}/v2.0/oa/getoa")
        groups = await self._account.call(
            "GET", f"{base}/v3.0/oa/group/getgroupsofoa?offset=0&count={_MOST_GROUPS}"
        )  # fmt: skip
        return AccountView(
            _text(account, "name"), _text(account, "package_name"), _text(account, "package_valid_through_date"),
            account.get("is_verified") is True, tuple(_groups(groups)), await self._template(),
        )  # fmt: skip

    async def _template(self) -> Template | None:
        if not self.settings.template:
            return None
        try:
            found = await self._account.template(self.settings.template)
        except Undelivered as error:
            return Template(error.why, (), ())
        asks = tuple(_text(each, "name") for each in _objects(found.get("listParams")))
        filled = {theirs for _, theirs in self.settings.template_data}
        return Template(_text(found, "status"), asks, tuple(name for name in asks if name not in filled))

    @property
    def _verifier(self) -> str:
        return oauth.verifier_of(self.settings, self._given.box)


def bring(db: Connection, box: SecretBox, app: str, pair: Pair, now: datetime) -> None:
    """A pair that an administrator has brought, by consent or by hand."""
    store.put(db, Tokens(app, box.seal(f"zalo:{app}", store.packed(pair)), 1, now))


def _groups(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(_text(each, "group_id"), _text(each, "name")) for each in _objects(found.get("groups"))[:_MOST_GROUPS]]


def _objects(found: Any) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _text(found: dict[str, Any], name: str) -> str:
    return str(found.get(name, ""))[:120]
