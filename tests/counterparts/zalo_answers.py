"""How Zalo answers: HTTP 200, with an error inside."""

import json
from typing import Any

Answer = tuple[int, bytes, dict[str, str]]
"""Status, body, headers."""


def said(error: int, data: dict[str, Any] | None = None, **more: Any) -> Answer:
    """The envelope of the Official Account API."""
    message = "Success" if error == 0 else "error"
    told = {"error": error, "message": message, **({"data": data} if data is not None else {}), **more}
    return 200, json.dumps(told).encode(), {}
