"""What pages show of a campaign: its rooms that the reader may see, how many are how far, and why some failed."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from fleet_server.campaigns.desk import CampaignDesk, goes_on
from fleet_server.domain.waves import State, Step
from fleet_server.state.fleet import SiteEntry
from fleet_server.texts import Lang, has, translate, why_text


def values_of(desk: CampaignDesk, entries: Mapping[str, SiteEntry], words: str, lang: Lang) -> dict[str, Any]:
    """For the template `components/campaign.html`; `words`: where the texts of this kind of campaign are."""
    current = desk.current
    rooms = [room for room in current.rooms if room.site in entries] if current else []
    steps = Counter(room.step for room in rooms)
    return {
        "campaign": current, "rooms": rooms, "entries": entries,
        "steps": [(step, steps[step]) for step in Step if steps[step]],
        "details": {room.unit: _detail(words, room.detail, lang) for room in rooms},
        "can_end": current is not None and (current.state is not State.DONE or goes_on(current)),
    }  # fmt: skip


def _detail(words: str, detail: str, lang: Lang) -> str:
    """Why it failed: by a key of ours where it is one, as the room said it where it is not."""
    key = f"{words}.failed.{detail}"
    return translate(lang, key) if has(key) else why_text(lang, detail)
