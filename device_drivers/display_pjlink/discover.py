"""Displays that answer PJLink's search (PJLink Specifications, Class 2, section 3.2)."""

import re
from collections.abc import Iterator

from device_drivers.area import Area, ask_everybody
from wire.messages import FoundDevice

_PORT = 4352
_SEARCH = b"%2SRCH\r"
_HERE = re.compile(rb"%2ACKN=([0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5})\r?")


def discover(area: Area) -> Iterator[FoundDevice]:
    """Every display of class 2; it tells its hardware address, and who it is only to those who connect."""
    for answer, sender in ask_everybody(area, _SEARCH, _PORT):
        if (here := _HERE.fullmatch(answer)) is not None:
            where = f"{sender} ({here[1].decode().lower()})"
            yield FoundDevice("display_pjlink", "display", where, settings={"host": sender})
