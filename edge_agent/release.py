"""Fetches the release that the centre wants here, over our own connection, and hands it to root's installer.

What was begun goes on after a break or a restart; the line is taken no more than the centre allows. Whether it is a
release at all the installer finds out, by the key of whoever makes them; what became of it stands in its state file.
"""

import hashlib
import json
import logging
import os
import random
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from threading import Event

from edge_agent.log import RoomLog
from wire.messages import WantedRelease
from wire.times import Clock

log = logging.getLogger("diemcau.release")

HOME = Path(os.environ.get("DIEMCAU_HOME", "/opt/diemcau"))
_LOOK_EVERY_S = 5.0
_WITHIN_S, _BLOCK = 30.0, 16_384
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 10.0, 600.0
_SPACE = 4
"""So many times its size must be free: the bundle, its files, the environment made of them."""


class ReleaseFetcher:
    """`run` is a thread of its own; `told` is called by the inbox."""

    def __init__(
        self, folder: Path, room_log: RoomLog, clock: Clock, home: Path = HOME, look_every_s: float = _LOOK_EVERY_S,
        first_pause_s: float = _FIRST_PAUSE_S,
    ) -> None:  # fmt: skip
        """`home`: where releases are installed."""
        self._folder, self._log, self._clock, self._home = folder / "release", room_log, clock, home
        self._look_every_s, self._first_pause_s = look_every_s, first_pause_s
        self._wanted: WantedRelease | None = None
        self._pause_s, self._not_before_s = first_pause_s, float("-inf")
        self._failing = ""

    def told(self, wanted: WantedRelease | None) -> None:
        """What the centre wants here now."""
        if wanted != self._wanted:
            self._wanted, self._not_before_s, self._pause_s = wanted, float("-inf"), self._first_pause_s

    def run(self, stop: Event, beat: Callable[[], None]) -> None:
        """Until `stop`."""
        while not stop.is_set():
            beat()
            self._say_what_became_of_it()
            wanted = self._wanted
            if wanted is not None and self._clock.monotonic() >= self._not_before_s:
                self._bring(wanted, stop, beat)
            stop.wait(self._look_every_s)

    def _bring(self, wanted: WantedRelease, stop: Event, beat: Callable[[], None]) -> None:
        handed, mark = self._folder / "handed", hashlib.sha256(wanted.url.encode()).hexdigest()[:16]
        if _text(handed) == mark:
            return  # it was tried, and we are here: it is being tried, or what became of it is said
        if wanted.version == version("diemcau"):
            self._say_once("release_taken", mark, version=wanted.version)
            return
        try:
            if self._fetched(wanted, stop, beat):
                (self._folder / "bundle.part").replace(self._folder / "bundle.tar")
                _write(handed, mark)
                _write(self._folder / "tried", wanted.version)
                _write(self._folder / "wanted", mark)
                log.info("release_handed_over version=%s", wanted.version)
        except (OSError, ValueError) as error:
            why = type(error).__name__
            if why != self._failing:
                log.warning("release_not_fetched version=%s error=%s", wanted.version, why)
            self._failing = why
            self._not_before_s = self._clock.monotonic() + random.uniform(self._pause_s / 2, self._pause_s)  # noqa: S311
            self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 2)

    def _fetched(self, wanted: WantedRelease, stop: Event, beat: Callable[[], None]) -> bool:
        """Whether all of it is here, as it was promised. Raises OSError, ValueError."""
        self._folder.mkdir(exist_ok=True, mode=0o700)
        part = self._folder / "bundle.part"
        if _text(self._folder / "part-of") != wanted.sha256:
            part.unlink(missing_ok=True)
            _write(self._folder / "part-of", wanted.sha256)
        have = part.stat().st_size if part.exists() else 0
        if shutil.disk_usage(self._folder).free < wanted.size * _SPACE:
            self._say_once("release_no_space", wanted.url, version=wanted.version)
            raise OSError("no space")
        if have < wanted.size and not self._load(wanted, part, have, stop, beat):
            return False
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != wanted.sha256:
            part.unlink()
            raise ValueError("it is not what was promised")
        return True

    def _load(self, wanted: WantedRelease, part: Path, have: int, stop: Event, beat: Callable[[], None]) -> bool:
        asked = urllib.request.Request(wanted.url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
        if asked.type not in ("https", "http"):
            raise ValueError("it is fetched by HTTP only")
        with _OPENER.open(asked, timeout=_WITHIN_S) as answer:
            goes_on = answer.status == HTTPStatus.PARTIAL_CONTENT
            if goes_on and not str(answer.headers.get("Content-Range", "")).startswith(f"bytes {have}-"):
                raise ValueError("it is another part than was asked for")
            with part.open("ab" if goes_on else "wb") as out:
                have, began_s, taken = have if goes_on else 0, self._clock.monotonic(), 0
                while have < wanted.size and (block := answer.read(min(_BLOCK, wanted.size - have))):
                    out.write(block)
                    have, taken = have + len(block), taken + len(block)
                    beat()
                    ahead_s = taken * 8 / (wanted.rate_kbit_s * 1_000) - (self._clock.monotonic() - began_s)
                    if stop.wait(max(0.0, ahead_s)) or self._wanted != wanted:
                        return False
        if have < wanted.size:
            raise OSError("the line broke")
        return True

    def _say_what_became_of_it(self) -> None:
        """By the installer's state file: in use, or put back."""
        try:
            found = json.loads((self._home / "state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        mark = _text(self._folder / "handed")
        if not mark or found.get("offer") != mark:
            return  # of an earlier offer
        phase, tried = found.get("phase"), _text(self._folder / "tried")
        if phase == "done" and tried == version("diemcau"):
            self._say_once("release_taken", mark, version=tried)
        elif phase in ("back", "refused", "stuck"):
            self._say_once("release_back", mark, version=tried, why=str(found.get("why", ""))[:200])

    def _say_once(self, event: str, offer: str, **params: str) -> None:
        """An event of the room's log, once for each offer of the centre."""
        self._folder.mkdir(exist_ok=True, mode=0o700)
        mark = hashlib.sha256(f"{event} {offer} {params}".encode()).hexdigest()
        said = self._folder / "said"
        if _text(said) != mark:
            self._log.event(event, **params)
            _write(said, mark)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """Nowhere but where the centre says."""


_OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def _write(file: Path, text: str) -> None:
    new = file.with_name(f".{file.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)
