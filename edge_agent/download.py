"""A file of the centre's comes here over our own connection: what was begun goes on after a break or a restart.

The line is taken no more than the centre allows; what is not what was promised is thrown away.
"""

import hashlib
import logging
import os
import random
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from threading import Event

from wire.messages import WantedFile
from wire.times import Clock

log = logging.getLogger("diemcau.download")

FIRST_PAUSE_S = 10.0
PART = "bundle.part"
"""What has come so far."""
_WITHIN_S, _BLOCK = 30.0, 16_384
_LONGEST_PAUSE_S = 600.0
_REMEMBERED = 16


class Download:
    """One file at a time, in a folder of its own; after a failure it waits, longer each time."""

    def __init__(
        self, folder: Path, space: int, no_space: Callable[[WantedFile], None], clock: Clock, pause_s: float
    ) -> None:  # fmt: skip
        """`space`: so many times its size must be free."""
        self._folder, self._space, self._no_space, self._clock = folder, space, no_space, clock
        self._first_pause_s = pause_s
        self._failing = ""
        self.begin_anew()

    def begin_anew(self) -> None:
        """Something else is wanted: what failed before does not hold it up."""
        self._not_before_s, self._pause_s = float("-inf"), self._first_pause_s

    def bring(
        self, wanted: WantedFile, is_wanted: Callable[[], bool], take: Callable[[Path], None], stop: Event,
        beat: Callable[[], None],
    ) -> None:  # fmt: skip
        """Go on with it. `take` is given the whole file, as it was promised, and moves it away."""

        def fetch() -> None:
            whole = self._brought(wanted, is_wanted, stop, beat)
            if whole is not None:
                take(whole)
                self._failing = ""

        self.attempt(fetch)

    def attempt(self, act: Callable[[], None]) -> None:
        """Try something of it, unless it is too soon after what failed."""
        if self._clock.monotonic() < self._not_before_s:
            return
        try:
            act()
        except (OSError, ValueError, HTTPException) as error:
            why = type(error).__name__
            if why != self._failing:
                log.warning("not_fetched folder=%s error=%s", self._folder.name, why)
            self._failing = why
            self._not_before_s = self._clock.monotonic() + random.uniform(self._pause_s / 2, self._pause_s)  # noqa: S311
            self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 2)

    def _brought(
        self, wanted: WantedFile, is_wanted: Callable[[], bool], stop: Event, beat: Callable[[], None]
    ) -> Path | None:
        self._folder.mkdir(exist_ok=True, parents=True, mode=0o700)
        part = self._folder / PART
        if text_of(self._folder / "part-of") != wanted.sha256:
            part.unlink(missing_ok=True)
            put(self._folder / "part-of", wanted.sha256)
        have = part.stat().st_size if part.exists() else 0
        if shutil.disk_usage(self._folder).free < wanted.size * self._space:
            self._no_space(wanted)
            raise OSError("no space")
        if have < wanted.size and not self._load(wanted, part, have, is_wanted, stop, beat):
            return None
        with part.open("rb") as file:
            os.fsync(file.fileno())  # what is believed here must be there after a power cut too
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != wanted.sha256:
            part.unlink()
            raise ValueError("it is not what was promised")
        return part

    def _load(
        self, wanted: WantedFile, part: Path, have: int, is_wanted: Callable[[], bool], stop: Event,
        beat: Callable[[], None],
    ) -> bool:  # fmt: skip
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
                    if stop.wait(max(0.0, ahead_s)) or not is_wanted():
                        return False
        if have < wanted.size:
            raise OSError("the line broke")
        return True


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """Nowhere but where the centre says."""


_OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def text_of(file: Path) -> str:
    """What stands in a small file of ours; nothing where there is none."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def put(file: Path, text: str) -> None:
    """Write a small file of ours, whole or not at all, also when the power is cut."""
    new = file.with_name(f".{file.name}.new")
    with new.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


class SaidOnce:
    """Events of the room's log that are said once for each offer of the centre, also after a restart."""

    def __init__(self, folder: Path, say: Callable[..., object]) -> None:
        self._folder, self._say = folder, say

    def event(self, event: str, offer: str, **params: str) -> None:
        """Say it, where it is not among the last things that were said."""
        self._folder.mkdir(exist_ok=True, mode=0o700)
        mark = hashlib.sha256(f"{event} {offer} {params}".encode()).hexdigest()
        said = self._folder / "said"
        before = text_of(said).split()
        if mark not in before:
            self._say(event, **params)
            put(said, " ".join([*before, mark][-_REMEMBERED:]))
