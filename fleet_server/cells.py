"""What may stand in a spreadsheet's cell, whoever has written it."""

import re

from wire.inert import inert

_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""XML 1.0, 2.2: no document can hold these, and a workbook is made of documents."""
_NOT_PLAIN = ("=", "+", "-", "@", "\t", "\r", "'")


def safe(value: object) -> object:
    """A text that a spreadsheet would take for a formula is marked as text; what it cannot hold is left out."""
    if not isinstance(value, str):
        return value
    text = inert(_NOT_IN_XML.sub("", value))
    return f"'{text}" if text.startswith(_NOT_PLAIN) else text
