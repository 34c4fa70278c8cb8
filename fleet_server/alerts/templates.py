"""The sentences of messages, which a province may word otherwise; what is saved has been tried first."""

import string
from collections.abc import Mapping
from typing import Any

from fleet_server.errors import Invalid
from fleet_server.texts import LANGS, Lang, texts

CHANGEABLE: Mapping[str, Mapping[str, Any]] = {
    "line": {"place": "Phường Hạc Thành", "what": "Camera không trả lời", "since": "3 phút"},
    "line_cleared": {"place": "Phường Hạc Thành", "what": "Camera không trả lời", "lasted": "12 phút"},
    "flaps": {"line": "Phường Hạc Thành: mất kết nối, 3 phút", "count": 9},
    "threatens": {"line": "Phường Hạc Thành: mất kết nối, 3 phút", "at": "14:00"},
    "number": {"number": 1_204},
    "several": {"count": 12},
    "digest": {"count": 4},
    "subject_alarm": {"line": "Phường Hạc Thành: mất kết nối, 3 phút"},
    "subject_cleared": {"line": "Phường Hạc Thành: đã hết sau 12 phút"},
}
"""Text key -> what stands in its places when it is tried; every place must be there."""
MOST = 200
_MOST_SHOWN = 400

Own = Mapping[tuple[str, str], str]
"""Language and key -> the province's own words."""


def checked(lang: str, key: str, text: str) -> str:
    """The template as it is kept; an empty one is none, and ours stands again. Raises Invalid with what is wrong."""
    if lang not in LANGS or key not in CHANGEABLE:
        raise Invalid("alerts.no_template", name=key[:40])
    wanted = text.strip()
    if not wanted:
        return ""
    if len(wanted) > MOST or not wanted.isprintable():
        raise Invalid("alerts.wrong_template", name=key, why=f"> {MOST}")
    try:
        places = [field for _, field, _, _ in string.Formatter().parse(wanted) if field is not None]
    except ValueError as error:
        raise Invalid("alerts.wrong_template", name=key, why=str(error)[:80]) from error
    if set(places) != set(CHANGEABLE[key]) or len(places) != len(set(places)):
        raise Invalid("alerts.wrong_places", name=key, places=", ".join(f"{{{name}}}" for name in CHANGEABLE[key]))
    if any(spec or conversion for _, field, spec, conversion in string.Formatter().parse(wanted) if field is not None):
        raise Invalid("alerts.wrong_places", name=key, places=", ".join(f"{{{name}}}" for name in CHANGEABLE[key]))
    if len(tried(wanted, key)) > _MOST_SHOWN:
        raise Invalid("alerts.wrong_template", name=key, why=f"> {_MOST_SHOWN}")
    return wanted


def tried(text: str, key: str) -> str:
    """How it looks."""
    return text.format(**CHANGEABLE[key])


def standing(own: Own, lang: Lang, key: str) -> str:
    """What is in force: the province's words, or ours."""
    return own.get((lang, key)) or texts()[f"alerts.{key}"][lang]
