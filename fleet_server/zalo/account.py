"""One Official Account: calls with a token that lives, renewed by one process alone.

The access token lives 25 hours, the refresh token is good for one use: whoever loses the new pair needs an
administrator in a browser. So one refresher holds a lease in the database, the pair is on disk before it is used, an
empty answer never takes the place of a good pair, and what is lost is said at once.
"""

import asyncio
import hashlib
import hmac
import logging
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx

from fleet_server.channels.channel import Resources, Undelivered
from fleet_server.zalo import oauth, store
from fleet_server.zalo.answers import Meaning, meaning_of
from fleet_server.zalo.oauth import Pair
from fleet_server.zalo.pace import pace_of
from fleet_server.zalo.settings import ZaloSettings
from fleet_server.zalo.store import Tokens

log = logging.getLogger("diemcau.zalo")

RENEW_AFTER = timedelta(hours=20)
_AGAIN_S = 2.0
_OVER_RATE = -32
_LOST = "the refresh token was used or is dead: an administrator must give consent again (docs/alerts.md)"


class Account:
    """`call` sends; `keep_token` renews in good time."""

    def __init__(self, given: Resources, settings: ZaloSettings) -> None:
        self._given, self.settings = given, settings
        self._known: tuple[int, str] | None = None
        self._pace = pace_of(settings.app, settings.openapi, settings.per_minute)

    async def call(self, method: str, url: str, body: Any = None) -> dict[str, Any]:
        """One call; the data of its answer. A dead token is renewed once. Raises Undelivered."""
        for is_last in (False, True):
            generation, access = await self._access()
            code, said = await self._ask(method, url, access, body)
            if code == 0:
                return said
            meaning = meaning_of(code)
            if meaning is Meaning.RENEW and not is_last:
                await self._renew(generation)
                continue
            if meaning is Meaning.STOP:
                await self._stop(f"Zalo says {code}")
            raise Undelivered(
                f"Zalo says {code}", permanent=meaning not in (Meaning.LATER, Meaning.RENEW),
                whole_channel=meaning in (Meaning.STOP, Meaning.CHANNEL, Meaning.RENEW) or code == _OVER_RATE,
            )  # fmt: skip
        raise AssertionError("unreachable")

    async def keep_token(self) -> None:
        """Renew when it is due, and end what another life of the server left open. Raises Undelivered."""
        tokens = await self._tokens()
        now = self._given.clock.now()
        if tokens.stopped or (tokens.began_at is not None and now <= tokens.began_at + store.LEASE):
            return  # given up, or somebody is at it
        if tokens.began_at is not None or tokens.at + RENEW_AFTER <= now:
            await self._renew(tokens.generation)

    async def check(self) -> None:
        """Whether the account could send; what was given up is not tried again under the same configuration."""
        await self.call("GET", f"{self.settings.openapi}/v2.0/oa/getoa")

    async def template(self, template: str) -> dict[str, Any]:
        """What Zalo says of a template: its status, and the parameters that it asks for. Raises Undelivered."""
        asked = urlencode({"template_id": template})
        return await self.call("GET", f"{self.settings.business}/template/info/v2?{asked}")

    async def _access(self) -> tuple[int, str]:
        tokens = await self._tokens()
        if tokens.stopped:
            raise Undelivered(tokens.stopped, permanent=True, whole_channel=True)
        if self._known is None or self._known[0] != tokens.generation:
            self._known = (tokens.generation, self._open(tokens).access)
        return self._known

    async def _tokens(self) -> Tokens:
        app = self.settings.app
        tokens = await self._given.database.read(lambda db: store.read(db, app))
        if tokens is None:
            raise Undelivered("no consent was given yet (docs/alerts.md)", permanent=True, whole_channel=True)
        if tokens.stopped and tokens.stopped != _LOST and tokens.mark != self.settings.mark:
            await self._given.database.write(lambda db: store.go_on(db, app))
            return await self._tokens()
        return tokens

    def _open(self, tokens: Tokens) -> Pair:
        return store.unpacked(self._given.box.open(f"zalo:{tokens.app}", tokens.sealed))

    async def _ask(self, method: str, url: str, access: str, body: Any) -> tuple[int, dict[str, Any]]:
        await self._pace.turn()
        headers = {"access_token": access}
        if self.settings.proves:
            key = self.settings.secret.encode()
            headers["appsecret_proof"] = hmac.new(key, access.encode(), hashlib.sha256).hexdigest()
        try:
            async with httpx.AsyncClient(timeout=oauth.WITHIN_S, follow_redirects=False, trust_env=False) as client:
                answer = await client.request(method, url, headers=headers, json=body)
        except httpx.HTTPError as error:
            raise Undelivered(f"Zalo: {type(error).__name__}", permanent=False, whole_channel=True) from error
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            return -216, {}
        try:
            said = answer.json()
            code = int(said["error"])  # also where it is a text; 200 with an error in it is an error
        except (ValueError, KeyError, TypeError) as error:
            raise Undelivered(f"Zalo: HTTP {answer.status_code}", permanent=False, whole_channel=True) from error
        data = said.get("data")
        return code, data if isinstance(data, dict) else {}

    async def _renew(self, generation: int) -> None:
        """A new pair, unless somebody else has made one since. Raises Undelivered."""
        database, app, now = self._given.database, self.settings.app, self._given.clock.now()
        leased: bool = await database.write(lambda db: store.lease(db, app, generation, now))
        if not leased:
            tokens = await self._tokens()
            if tokens.generation == generation:
                raise Undelivered("the token is being renewed", permanent=False)
            return
        tokens = await self._tokens()
        pair = await self._ask_for_pair(self._open(tokens).refresh)
        sealed = self._given.box.seal(f"zalo:{app}", store.packed(pair))
        saved: bool = await database.write(
            lambda db: store.renewed(db, app, generation, sealed, self._given.clock.now())
        )
        if not saved:
            raise Undelivered("another pair was brought meanwhile", permanent=False)
        log.info("zalo_token_renewed generation=%d", generation + 1)

    async def _ask_for_pair(self, refresh: str) -> Pair:
        """Once; and once more with the same token where nobody knows whether it was used. Raises Undelivered."""
        grant = {"refresh_token": refresh, "grant_type": "refresh_token"}
        for is_last in (False, True):
            try:
                found = await oauth.ask(self.settings, grant)
            except httpx.HTTPError as error:
                if is_last:
                    raise Undelivered(f"Zalo: {type(error).__name__}", permanent=False, whole_channel=True) from error
                await asyncio.sleep(_AGAIN_S)
                continue
            if isinstance(found, Pair):
                return found
            log.error("zalo_token_lost code=%s name=%s", found.code, found.name)
            await self._stop(_LOST)
            raise Undelivered(_LOST, permanent=True, whole_channel=True)
        raise AssertionError("unreachable")

    async def _stop(self, why: str) -> None:
        app, mark = self.settings.app, self.settings.mark
        log.error("zalo_stopped why=%s", why)
        await self._given.database.write(lambda db: store.stop(db, app, why, mark))
