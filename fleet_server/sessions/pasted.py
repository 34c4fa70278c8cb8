"""Sites as people paste them from a spreadsheet or a letter: by id, by code or by name, one a line."""

import re
import unicodedata
from collections.abc import Iterable

from fleet_server.store.sites import SiteRow

_BETWEEN_CELLS = re.compile(r"[\t;,|]")
_NUMBER = re.compile(r"^\d{1,4}[.)]?$")


def sites_in(text: str, known: Iterable[SiteRow]) -> tuple[list[str], list[str]]:
    """Ids of the sites that the lines name, each once, and the lines that name none, or more than one."""
    by_word: dict[str, set[str]] = {}
    for site in known:
        for word in (site.id, site.code, site.name):
            if word:
                by_word.setdefault(_plain(word), set()).add(site.id)
    found: dict[str, None] = {}
    unknown = []
    for line in text.splitlines():
        cells = [cell for cell in map(_plain, _BETWEEN_CELLS.split(line)) if cell]
        if not cells:
            continue
        named = [by_word[cell] for cell in cells if cell in by_word]
        meant = set.intersection(*named) if named else set()
        if len(meant) == 1:
            found.update(dict.fromkeys(meant))
        elif not all(_NUMBER.match(cell) for cell in cells):
            unknown.append(line.strip()[:120])
    return list(found), unknown


def _plain(text: str) -> str:
    """Compared without regard to case, to how its marks are encoded, and to the space around it."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
