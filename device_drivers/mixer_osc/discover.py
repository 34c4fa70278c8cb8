"""Mixers that answer a question to everybody: `/info` at the port of either family."""

from collections.abc import Iterator

from device_drivers.area import Area, ask_everybody
from device_drivers.errors import BadAnswer
from device_drivers.mixer_osc import protocol
from device_drivers.mixer_osc.line import decoded, encoded
from wire.fields import Plain
from wire.messages import FoundDevice


def discover(area: Area) -> Iterator[FoundDevice]:
    """Every mixer of each family."""
    for family, at in protocol.FAMILIES.items():
        wait_s = area.wait_s / len(protocol.FAMILIES)
        for answer, sender in ask_everybody(area, encoded(protocol.INFO), at.port, wait_s=wait_s):
            try:
                address, said = decoded(answer, sender)
                who = protocol.identity_of({protocol.INFO: said}) if address == protocol.INFO else None
            except BadAnswer:
                continue
            if who is None:
                continue
            settings: dict[str, Plain] = {"host": sender, "family": family}
            if area.port(at.port) != at.port:
                settings["port"] = area.port(at.port)
            yield FoundDevice(
                "mixer_osc", "mixer", f"{sender}:{area.port(at.port)}", who.make, who.model, settings=settings
            )
