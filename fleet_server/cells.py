"""What may stand in a spreadsheet's cell, whoever has written it."""

from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from wire.inert import inert

_NOT_PLAIN = ("=", "+", "-", "@", "\t", "\r", "'")


def safe(value: object) -> object:
    """A text that a spreadsheet would take for a formula is marked as text; what it cannot hold is left out."""
    if not isinstance(value, str):
        return value
    text = inert(ILLEGAL_CHARACTERS_RE.sub("", value))
    return f"'{text}" if text.startswith(_NOT_PLAIN) else text
