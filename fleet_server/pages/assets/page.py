"""GET /static, /vendor and /page-assets: our own files, the fetched libraries, and what lies in a page's folder."""

import re
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, HTTPException
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from fleet_server.api.access import open_to_all

router = APIRouter()

_PAGES = Path(__file__).parent.parent
_TYPES = {
    ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".png": "image/png",
}  # fmt: skip
_FILE = re.compile(r"^[a-z0-9_\-]+(/[a-zA-Z0-9_.\-]+)*\.(css|js|svg|woff2|png)$")


@router.get("/assets/{name:path}", dependencies=[open_to_all("our own files")])
async def asset(name: Annotated[str, InPath(max_length=200)]) -> FileResponse:
    """A style sheet, module, font or picture below pages/; nothing else that lies there."""
    file = _PAGES / name
    if not _FILE.match(name) or ".." in name or not file.is_file():
        raise HTTPException(404)
    return FileResponse(file, media_type=_TYPES[file.suffix], headers={"Cache-Control": "no-cache"})
