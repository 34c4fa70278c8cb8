"""The five people of the demo, one of each role; their passwords are drawn anew at each start."""

import secrets
from collections.abc import Sequence

from demo.prepare import Person

ADMINISTRATOR = "demo"


def people_of(technician_sites: Sequence[str]) -> tuple[Person, ...]:
    """Login, name, role and password; the technician looks after these sites."""
    return tuple(
        Person(login, name, role, secrets.token_urlsafe(9), tuple(technician_sites) if role == "technician" else ())
        for login, name, role in (
            (ADMINISTRATOR, "Quản trị (demo)", "administrator"),
            ("truc-noc", "Lê Thị Mai (NOC)", "operator"),
            ("van-phong", "Trịnh Văn Hòa (Văn phòng)", "organiser"),
            ("ky-thuat", "Bùi Đức Nam (kỹ thuật)", "technician"),
            ("thanh-tra", "Phạm Thu Hạnh (Thanh tra)", "viewer"),
        )
    )
