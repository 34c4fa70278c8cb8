"""Identifiers: sites and devices are slugs, everything made at run time is a UUIDv7 (RFC 9562, 5.7)."""

import os
import time
import uuid
from typing import Annotated

from msgspec import Meta

SLUG = r"^[a-z0-9][a-z0-9-]{0,63}$"
UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

_WHOLE_SLUG, _WHOLE_UUID = (f"{pattern}(?!\n)" for pattern in (SLUG, UUID))
"""`$` alone would let a line's end pass at the end, where Python reads the pattern."""

SiteId = Annotated[str, Meta(pattern=_WHOLE_SLUG)]
DeviceId = Annotated[str, Meta(pattern=_WHOLE_SLUG)]
Uuid = Annotated[str, Meta(pattern=_WHOLE_UUID)]


def uuid7() -> str:
    """A new identifier that sorts by the millisecond in which it was made."""
    made_ms = time.time_ns() // 1_000_000
    random_bits = int.from_bytes(os.urandom(10))
    value = (made_ms & (1 << 48) - 1) << 80 | 0x7 << 76 | (random_bits >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | random_bits & (1 << 62) - 1
    return str(uuid.UUID(int=value))
