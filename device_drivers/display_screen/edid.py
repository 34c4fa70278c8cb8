"""Who a screen is, from its EDID (VESA Enhanced EDID Standard, release A, section 3). Pure."""

from msgspec import Struct

from device_drivers.errors import BadAnswer

_HEAD = bytes((0, 255, 255, 255, 255, 255, 255, 0))
BLOCK_BYTES = 128
_DESCRIPTORS = range(54, 126, 18)
_SERIAL, _NAME = 0xFF, 0xFC


class ScreenIdentity(Struct, frozen=True):
    """The maker's three letters (PNP id), the model and serial number; empty where it does not say."""

    make: str = ""
    model: str = ""
    serial: str = ""


def identity_in(edid: bytes) -> ScreenIdentity:
    """The identity in an EDID. Raises BadAnswer when the bytes are none."""
    if len(edid) < BLOCK_BYTES or not edid.startswith(_HEAD) or sum(edid[:BLOCK_BYTES]) % 256:
        raise BadAnswer(f"screen: {len(edid)} bytes that are no EDID")
    letters = int.from_bytes(edid[8:10])
    make = "".join(chr(ord("@") + (letters >> shift & 31)) for shift in (10, 5, 0))
    texts = {}
    for at in _DESCRIPTORS:
        if edid[at : at + 3] == b"\0\0\0":
            texts[edid[at + 3]] = _text(edid[at + 5 : at + 18])
    number = int.from_bytes(edid[12:16], "little")
    return ScreenIdentity(
        make if make.isalpha() else "",
        texts.get(_NAME) or f"{int.from_bytes(edid[10:12], 'little'):04X}",
        texts.get(_SERIAL) or (str(number) if number else ""),
    )


def _text(field: bytes) -> str:
    return "".join(chr(byte) for byte in field.split(b"\n")[0] if 32 <= byte < 127).strip()
