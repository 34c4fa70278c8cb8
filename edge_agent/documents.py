"""Small documents of the agent: TinyDB on a file that is replaced whole and flushed, so that no power cut halves it."""

import json
import logging
import os
from pathlib import Path
from typing import Any

from tinydb import TinyDB, where
from tinydb.storages import Storage

from edge_agent.errors import StoreBroken

log = logging.getLogger("diemcau.documents")


class DurableJsonStorage(Storage):
    """Write to a new file, fsync it, rename it over the old one, fsync the folder."""

    def __init__(self, path: Path, comes_again: bool = False) -> None:
        """`comes_again`: a file that cannot be read is put aside, and what it held is told us anew."""
        self._path, self._comes_again = path, comes_again

    def read(self) -> dict[str, dict[str, Any]] | None:
        """All tables, or None when there is no file yet. Raises StoreBroken."""
        try:
            found: dict[str, dict[str, Any]] = json.loads(self._path.read_text(encoding="utf-8"))
            if not isinstance(found, dict):
                raise ValueError("it is no table")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            if self._comes_again:
                log.error("documents_put_aside file=%s error=%s", self._path, type(error).__name__)
                self._path.replace(self._path.with_suffix(".broken"))
                return None
            raise StoreBroken(f"{self._path}: cannot be read ({error}); restore it or remove it") from error
        return found

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Replace all tables. Raises OSError; the old file is whole until the new one is."""
        new = self._path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class Documents:
    """One document for each name."""

    def __init__(self, folder: Path, comes_again: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = TinyDB(folder / "documents.json", storage=DurableJsonStorage, comes_again=comes_again)

    def get(self, name: str) -> dict[str, Any] | None:
        """The document of this name. Raises StoreBroken."""
        found = self._db.get(where("name") == name)
        body = found.get("body") if found and not isinstance(found, list) else None
        return dict(body) if isinstance(body, dict) else None

    def put(self, name: str, body: dict[str, Any]) -> None:
        """Keep a document; it is on the disk when this returns."""
        self._db.upsert({"name": name, "body": body}, where("name") == name)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
