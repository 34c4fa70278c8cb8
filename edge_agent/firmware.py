"""Keeps firmware images that the centre wants here for the room's devices: fetched ahead, believed by their signature.

Whoever makes releases, or whom they trust with it, signs an image; a centre that was taken over can offer no other.
"""

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event

from edge_agent.download import FIRST_PAUSE_S, Download, SaidOnce, put, text_of
from edge_agent.log import RoomLog
from wire.errors import WireError, WrongSignature
from wire.messages import WantedFile
from wire.times import Clock

log = logging.getLogger("diemcau.firmware")

KEY = Path(os.environ.get("DIEMCAU_RELEASE_KEY", "/etc/diemcau/release.pub"))
_LOOK_EVERY_S = 5.0
_KEPT = timedelta(days=7)
_SPACE = 3
"""So many times its size must be free: what comes, the image in it, and something to live on."""
_WHY: dict[type[Exception], str] = {
    WrongSignature: "wrong_signature",
    FileNotFoundError: "no_key",
    WireError: "unreadable",
}
"""Why an image is refused: the centre has a text for each."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class FirmwareFetcher:
    """`run` is a thread of its own; `told` is called by the inbox, `image` by the devices' threads."""

    def __init__(
        self, folder: Path, room_log: RoomLog, clock: Clock, key: Path = KEY, look_every_s: float = _LOOK_EVERY_S,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:  # fmt: skip
        """`key`: public key of whoever signs images."""
        self._folder, self._key, self._look_every_s = folder / "firmware", key, look_every_s
        self._clock = clock
        self._wanted: tuple[WantedFile, ...] | None = None
        self._first_pause_s = first_pause_s
        self._downloads: dict[str, Download] = {}
        """By the SHA-256 of what comes, each in a folder of its own: one that cannot be had holds up no other."""
        self._said = SaidOnce(self._folder, room_log.event)

    def told(self, wanted: tuple[WantedFile, ...]) -> None:
        """What the centre wants kept here now."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._downloads = {}

    def image(self, sha256: str) -> Path | None:
        """The file of an image that is here, and is what was signed."""
        file = self._folder / f"{sha256}.image"
        if not _SHA256.fullmatch(sha256) or not file.is_file():
            return None
        with file.open("rb") as source:
            found = hashlib.file_digest(source, "sha256").hexdigest()
        if found != sha256:
            file.unlink(missing_ok=True)  # it is fetched again
            return None
        return file

    def run(self, stop: Event, beat: Callable[[], None]) -> None:
        """Until `stop`."""
        while not stop.is_set():
            beat()
            if self._wanted is not None:
                self._throw_away(self._wanted)
                for wanted in self._wanted:
                    self._keep(wanted, stop, beat)
            stop.wait(self._look_every_s)

    def _keep(self, wanted: WantedFile, stop: Event, beat: Callable[[], None]) -> None:
        offer = _mark_of(wanted)
        image = text_of(self._folder / f"{wanted.sha256}.here").partition(" ")[0]
        if text_of(self._folder / f"{wanted.sha256}.refused") == offer:
            return
        if image and (self._folder / f"{image}.image").is_file():
            self._say_it_is_here(wanted)
            return
        is_wanted = partial(self._is_wanted, wanted)
        download = self._downloads.get(wanted.sha256)
        if download is None:
            folder = self._folder / wanted.sha256
            download = Download(folder, _SPACE, self._say_no_space, self._clock, self._first_pause_s)
            self._downloads[wanted.sha256] = download
        download.bring(wanted, is_wanted, partial(self._take, wanted), stop, beat)

    def _is_wanted(self, wanted: WantedFile) -> bool:
        return wanted in (self._wanted or ())

    def _take(self, wanted: WantedFile, part: Path) -> None:
        """Believe it, or say why not. Raises OSError where it could not be put in its place."""
        from wire.firmware import unpack  # few rooms ever need it

        new = self._folder / ".image.new"
        try:
            described = unpack(part, self._key, new)
        except (WireError, FileNotFoundError) as error:
            new.unlink(missing_ok=True)
            why = next(why for kind, why in _WHY.items() if isinstance(error, kind))
            self._said.event("firmware_refused", _mark_of(wanted), why=why, file=wanted.sha256)
            put(self._folder / f"{wanted.sha256}.refused", _mark_of(wanted))
            log.warning("firmware_refused error=%s", error)
            return
        finally:
            shutil.rmtree(part.parent)
        new.replace(self._folder / f"{described.sha256}.image")
        put(self._folder / f"{wanted.sha256}.here", f"{described.sha256} {described.family} {described.version}")
        self._say_it_is_here(wanted)

    def _say_it_is_here(self, wanted: WantedFile) -> None:
        image, family, version = text_of(self._folder / f"{wanted.sha256}.here").split(" ", 2)
        params = {"version": version, "family": family, "image": image, "file": wanted.sha256}
        self._said.event("firmware_fetched", _mark_of(wanted), **params)

    def _say_no_space(self, wanted: WantedFile) -> None:
        self._said.event("firmware_refused", _mark_of(wanted), why="no_space", file=wanted.sha256)

    def _throw_away(self, wanted: tuple[WantedFile, ...]) -> None:
        """What nobody wants here any more. Nothing at all is wanted while a session is near or it is not the hour: then
        what is here is kept for a while."""
        kept = {text_of(self._folder / f"{each.sha256}.here").partition(" ")[0] for each in wanted}
        kept |= {each.sha256 for each in wanted}
        for file in self._folder.glob("*"):
            is_ours = file.suffix in (".image", ".here", ".refused") or _SHA256.fullmatch(file.name)
            if is_ours and file.stem not in kept:
                age_s = self._clock.now().timestamp() - file.stat().st_mtime
                if wanted or age_s > _KEPT.total_seconds():
                    shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)


def _mark_of(wanted: WantedFile) -> str:
    return hashlib.sha256(wanted.url.encode()).hexdigest()[:16]
