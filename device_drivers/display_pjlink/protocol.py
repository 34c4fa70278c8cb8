"""What a PJLink display tells in one talk. "PJLink Specifications 2.00" (JBMIA, 2017), sections in brackets."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from aiopjlink import PJLink
from aiopjlink.projector import (
    PJClass,
    PJLinkERR1,
    PJLinkERR2,
    PJLinkERR3,
    PJLinkERR4,
    PJLinkUnexpectedResponseParameter,
)
from msgspec import Struct

from device_drivers.display_pjlink.description import PARTS
from device_drivers.driver import Identity
from wire.fields import Value

T = TypeVar("T")
POWERS = {"0": "off", "1": "on", "2": "cooling", "3": "warming"}
_LEVELS = {"0": "ok", "1": "warning", "2": "error"}
REFUSALS = (PJLinkERR1, PJLinkERR2, PJLinkERR3, PJLinkERR4)
"""It does not know the question, the parameter, cannot now, or has failed; ERR3 is what a display says that is off."""


class Told(Struct, frozen=True):
    """One talk's worth."""

    readings: dict[str, Value]
    identity: Identity
    inputs: tuple[str, ...]
    """The codes that it can be switched to, such as `31`; none while it does not say."""


async def told_by(link: PJLink, wanted_input: str | None) -> Told:
    """Everything; what the display refuses to say is None."""
    is_class_2 = await _or_none(lambda: link.transmit("CLSS", "?", PJClass.ONE)) == "2"
    own = PJClass.TWO if is_class_2 else PJClass.ONE

    async def second(command: str, param: str = "?") -> str | None:
        return await _or_none(lambda: link.transmit(command, param, PJClass.TWO)) if is_class_2 else None

    power = await _or_none(lambda: power_of(link))
    source = await input_of(link, is_class_2)
    muted = await _or_none(link.mute.status)
    lamps = await _or_none(link.lamps.status)
    faults = await _or_none(lambda: link.transmit("ERST", "?", PJClass.ONE))
    levels = [_LEVELS.get(digit) for digit in faults or ""]
    sources = await _or_none(lambda: link.transmit("INST", "?", own))
    return Told(
        readings={
            "power": power,
            "input": source,
            "input_name": await second("INNM", f"?{source}") if source else None,
            "input_right": source == wanted_input if source and wanted_input else None,
            "picture_muted": muted[0] if muted else None,
            "sound_muted": muted[1] if muted else None,
            "lamp_hours": float(max(hours for hours, _ in lamps)) if lamps else None,
            **{f"{part}_fault": levels[at] if at < len(levels) else None for at, part in enumerate(PARTS)},
        },
        identity=Identity(
            make=await _text(link, "INF1"),
            model=await _text(link, "INF2"),
            serial=(await second("SNUM") or "")[:64],
            firmware=(await second("SVER") or "")[:64],
        ),
        inputs=tuple((sources or "").split()),
    )


async def power_of(link: PJLink) -> str | None:
    """What POWR says [4.2]; None where it refuses or says what no display can."""
    return POWERS.get(await _or_none(lambda: link.transmit("POWR", "?", PJClass.ONE)) or "")


async def input_of(link: PJLink, is_class_2: bool) -> str | None:
    """The code of the input that is shown [4.4]; a display that is off may refuse."""
    return await _or_none(lambda: link.transmit("INPT", "?", PJClass.TWO if is_class_2 else PJClass.ONE))


async def _text(link: PJLink, command: str) -> str:
    return (await _or_none(lambda: link.transmit(command, "?", PJClass.ONE)) or "")[:120]


async def _or_none(question: Callable[[], Awaitable[T]]) -> T | None:
    with suppress(*REFUSALS, PJLinkUnexpectedResponseParameter):  # some makes answer what PJLink does not have
        return await question()
    return None
