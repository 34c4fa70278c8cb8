"""Tells each room how it should be: on each new connection, and when something of it changes."""

import asyncio

import msgspec
from msgspec import Struct

from firmware_profiles.loader import blueprints
from firmware_profiles.schema import Blueprint
from fleet_server.domain.provisioning import Fit, proved_of
from fleet_server.server import Server
from fleet_server.state.attention import OFTEN_S, Attention
from wire.codec import config_revision
from wire.messages import Config, DesiredDevice, WantedFile, WantedRelease

_EVERY_S = 1.0


class _RestsOn(Struct, frozen=True):
    """What a room's configuration rests on: it is told again when any of it has changed."""

    fits: tuple[Fit, ...]
    devices: tuple[DesiredDevice, ...]
    issuing: str
    interval_s: float
    release: WantedRelease | None
    firmware: tuple[WantedFile, ...]


async def tell_rooms(server: Server, attention: Attention) -> None:
    """Tell a room how it should be: on each new connection, and when something of it changes. The broker keeps it for
    rooms that are away."""
    breaks = -1
    told: dict[str, _RestsOn] = {}
    while True:
        if server.link.breaks != breaks:
            breaks, told = server.link.breaks, {}
        issuing, live = server.identities.authority.issuing_name, server.sessions.live_sites()
        for site, entry in server.fleet.entries.items() if server.link.is_connected else ():
            devices = server.secrets.told(site, server.rollout.desired.get(site, ()))
            blueprint = blueprints().get(entry.site.kind)
            if blueprint is None or not blueprint.agent:
                continue
            often = attention.is_wanted(site) or site in live
            rests_on = _RestsOn(
                entry.fits, devices, issuing, _interval_s(blueprint, often), server.releases.wanted(site),
                server.firmware.wanted(site),
            )  # fmt: skip
            if told.get(site) == rests_on:
                continue
            if server.link.say_config(_config_of(server, site, rests_on)):
                told[site] = rests_on
        await asyncio.sleep(_EVERY_S)


def _interval_s(blueprint: Blueprint, often: bool) -> float:
    """A room that is in use, or is about to be decided on, reports so often that a decision can rest on it."""
    return min(OFTEN_S, blueprint.report_interval_s) if often else blueprint.report_interval_s


def _config_of(server: Server, site: str, what: _RestsOn) -> Config:
    keys, spread_s = server.signer.public_keys, server.settings.renewal_spread_s
    wanted = Config(
        site, "0" * 16, server.clock.now(), what.interval_s, what.devices, proved_of(what.fits), keys, what.issuing,
        spread_s, what.release, what.firmware,
    )  # fmt: skip
    return msgspec.structs.replace(wanted, revision=config_revision(wanted))
