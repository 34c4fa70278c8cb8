"""The kinds of fields that messages are made of, each with its bounds."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from wire.description import Name

Moment = Annotated[datetime, Meta(tz=True)]
Short = Annotated[str, Meta(max_length=120)]
LONGEST_TEXT = 500
Long = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Revision = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$(?!\n)")]
Seconds = Annotated[float, Meta(ge=0, le=4e9)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Value = Annotated[float, Meta(ge=-1e18, le=1e18)] | bool | Long | None
Params = Annotated[dict[Name, Value], Meta(max_length=16)]

PublicKey = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{43}=$(?!\n)")]
"""32 bytes in base64."""

Pem = Annotated[str, Meta(max_length=16_000)]
"""Certificates or a request, as text (RFC 7468)."""

Plain = Value | Annotated[tuple[Value, ...], Meta(max_length=32)]
"""A setting as a person would type it: one value, or a short list of them."""
PlainSettings = Annotated[dict[Name, Plain], Meta(max_length=32)]
