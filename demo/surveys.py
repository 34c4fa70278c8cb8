"""What a survey would have found in the simulated rooms, and who looks after them. Names and numbers are made up."""

from random import Random
from typing import Any

_FAMILY, _MIDDLE = ("Lê", "Nguyễn", "Trần", "Phạm", "Hoàng", "Trịnh", "Bùi", "Hà"), ("Văn", "Thị", "Đức", "Minh", "Thu")
_GIVEN = ("An", "Bình", "Dung", "Hải", "Hạnh", "Hòa", "Lan", "Nam", "Quang", "Tâm", "Thủy", "Tuấn")
_PIECES = {
    "pc": (("Dell", "OptiPlex 3090"), ("HP", "ProDesk 400"), ("Intel", "NUC8i7HVK")),
    "camera": (("Hikvision", "DS-2CD2143G2-I"), ("Dahua", "IPC-HFW2431S"), ("KBVISION", "KX-C4K01")),
    "sound": (("Behringer", "X32"), ("Jabra", "Speak 750")),
    "display": (("EPSON", "EB-L210W"), ("NEC", "P525UL")),
    "light": (("Rạng Đông", "LED Panel 60x60"), ("Philips", "CoreLine 36W")),
    "line": (("VNPT", "FiberXtra 5M"), ("Viettel", "Leased line 5M")),
    "decoder": (("Poly", "G7500"), ("Yealink", "MeetingEye 500")),
    "storage": (("Western Digital", "WD40PURZ"), ("Seagate", "ST4000VX015")),
    "ups": (("SANTAK", "C1KS-LCD"), ("APC", "Smart-UPS 1500")),
}


def survey_of(site: str) -> dict[str, Any]:
    """A whole room, the same for the same site each time."""
    chance = Random(f"survey {site}")
    pieces: dict[str, Any] = {}
    for group, kinds in _PIECES.items():
        make, model = chance.choice(kinds)
        pieces[group] = {"has": True, "make": make, "model": model, "year": chance.randrange(2017, 2026)}
    name = f"{chance.choice(_FAMILY)} {chance.choice(_MIDDLE)} {chance.choice(_GIVEN)}"
    return {
        "pieces": pieces, "contact": name, "phone": f"0237 3{chance.randrange(10**6):06}",
        "line_kind": chance.choice(("leased", "internet")), "line_down_mbit_s": 5, "line_up_mbit_s": 5,
    }  # fmt: skip


def stage_of(site: str) -> str | None:
    """What a person would have said of it: most are in service, some have been piloted, a few neither."""
    return Random(f"stage {site}").choices(("in_service", "piloted", None), (7, 2, 1))[0]
