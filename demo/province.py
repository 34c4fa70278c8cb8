"""Which sites the demo has: Thanh Hóa, or every commune of the country with a hub for each province."""

import csv
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from msgspec import Struct

_DATA = Path(__file__).parent / "data"
_HUB_MBIT_S, _COMMUNE_MBIT_S = 30, 5
HOME_PROVINCE = "38"
LARGEST_OF_PROVINCE = 167
"""The hub and the communes of Thanh Hóa; for more the whole country is loaded."""


class Place(Struct, frozen=True):
    """One row of the file of sites."""

    site_id: str
    code: str
    name: str
    kind: str
    parent: str
    lat: float
    lon: float
    line_down_mbps: int
    line_up_mbps: int


class Province(Struct, frozen=True):
    """The sites of a demo, hubs first, and the outlines that its map draws."""

    places: Sequence[Place]
    outlines: Path


def province_of(count: int) -> Province:
    """`count` communes and hubs; beyond those of Thanh Hóa, so many communes of the country and their hubs."""
    if count <= LARGEST_OF_PROVINCE:
        rows = _thanh_hoa()
        places = [row for row in rows if row.site_id == f"{HOME_PROVINCE}-hub"]
        places += [row for row in rows if row.kind == "commune"][: max(0, count - 1)]
        return Province(places, _DATA / "thanh-hoa" / "schematic.geojson")
    communes = [row for row in _thanh_hoa() if row.kind == "commune"]
    communes = (communes + [row for row in _country() if not row.site_id.startswith(f"{HOME_PROVINCE}-")])[:count]
    hubs = [_hub_of(parent, communes) for parent in dict.fromkeys(row.parent for row in communes)]
    return Province([*hubs, *communes], _DATA / "viet-nam" / "provinces.geojson")


def write_sites(places: Iterable[Place], file: Path) -> None:
    """The file that `diemcau-server sites import` reads."""
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(Place.__struct_fields__)
        writer.writerows([getattr(place, name) for name in Place.__struct_fields__] for place in places)


@cache
def _thanh_hoa() -> list[Place]:
    return [
        Place(
            row["site_id"], row["code"], row["name"], row["kind"], row["parent"], float(row["lat"]), float(row["lon"]),
            int(row["line_down_mbps"] or 0), int(row["line_up_mbps"] or 0),
        )
        for row in _rows(_DATA / "thanh-hoa" / "sites.csv")
    ]  # fmt: skip


@cache
def _country() -> list[Place]:
    return [
        Place(
            f"{row['province_code']}-{row['code']}", row["code"], row["name"], "commune", f"{row['province_code']}-hub",
            float(row["lat"]), float(row["lon"]), _COMMUNE_MBIT_S, _COMMUNE_MBIT_S,
        )
        for row in _rows(_DATA / "viet-nam" / "communes.csv")
    ]  # fmt: skip


@cache
def _province_names() -> dict[str, str]:
    return {row["province_code"]: row["province_name"] for row in _rows(_DATA / "viet-nam" / "communes.csv")}


def _hub_of(hub: str, communes: Iterable[Place]) -> Place:
    """A province's hub, placed in the middle of its communes."""
    own = [row for row in communes if row.parent == hub]
    lat, lon = (round(sum(values) / len(own), 4) for values in ([p.lat for p in own], [p.lon for p in own]))
    name = f"Trụ sở Tiếp công dân {_province_names()[hub.removesuffix('-hub')]}"
    return Place(hub, "", name, "hub", "", lat, lon, _HUB_MBIT_S, _HUB_MBIT_S)


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
