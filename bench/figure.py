"""One figure as one JSON line."""

import json
import os
import platform
from typing import Any

from msgspec import Struct


class Figure(Struct, frozen=True):
    """A measured value beside its peer or limit; `ratio` is value to peer and is what travels between machines."""

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float

    def line(self) -> str:
        """The JSON line."""
        fields: dict[str, Any] = {
            "name": self.name, "value": round(self.value, 2), "unit": self.unit,
            "peer": f"{self.peer}: {self.peer_value:g}", "ratio": round(self.value / self.peer_value, 3),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        }  # fmt: skip
        return json.dumps(fields)


def percentile(values: list[float], share: float) -> float:
    """The value that so large a share of the values does not pass."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
