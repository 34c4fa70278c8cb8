"""Fetches the release that the centre wants here, over our own connection, and hands it to root's installer.

Whether it is a release at all the installer finds out, by the key of whoever makes them; what became of it stands in
its state file.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from threading import Event

from edge_agent.download import FIRST_PAUSE_S, Download, SaidOnce, put, text_of
from edge_agent.log import RoomLog
from wire.messages import WantedFile, WantedRelease
from wire.times import Clock

log = logging.getLogger("diemcau.release")

HOME = Path(os.environ.get("DIEMCAU_HOME", "/opt/diemcau"))
_LOOK_EVERY_S = 5.0
_SPACE = 4
"""So many times its size must be free: the bundle, its files, the environment made of them."""


class ReleaseFetcher:
    """`run` is a thread of its own; `told` is called by the inbox."""

    def __init__(
        self, folder: Path, room_log: RoomLog, clock: Clock, is_acting: Callable[[], bool], home: Path = HOME,
        look_every_s: float = _LOOK_EVERY_S, first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:  # fmt: skip
        """`is_acting`: whether a command is being executed, which a new release would cut short; `home`: where
        releases are installed."""
        self._is_acting = is_acting
        self._folder, self._home, self._look_every_s = folder / "release", home, look_every_s
        self._wanted: WantedRelease | None = None
        self._download = Download(self._folder, _SPACE, self._say_no_space, clock, first_pause_s)
        self._said = SaidOnce(self._folder, room_log.event)

    def told(self, wanted: WantedRelease | None) -> None:
        """What the centre wants here now."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._download.begin_anew()

    def run(self, stop: Event, beat: Callable[[], None]) -> None:
        """Until `stop`."""
        while not stop.is_set():
            beat()
            self._say_what_became_of_it()
            wanted = self._wanted
            if wanted is not None:
                self._bring(wanted, stop, beat)
            stop.wait(self._look_every_s)

    def _bring(self, wanted: WantedRelease, stop: Event, beat: Callable[[], None]) -> None:
        handed, mark = self._folder / "handed", hashlib.sha256(wanted.url.encode()).hexdigest()[:16]
        if text_of(handed) == mark:
            self._download.attempt(lambda: self._hand_over(wanted, mark))
            return  # it was tried, and we are here: it is being tried, or what became of it is said
        if wanted.version == version("diemcau"):
            self._said.event("release_taken", mark, version=wanted.version)
            return

        def hand_over(bundle: Path | None = None) -> None:
            self._folder.mkdir(exist_ok=True, mode=0o700)
            if bundle is not None:
                bundle.replace(self._folder / "bundle.tar")
            put(self._folder / "tried", wanted.version)
            put(handed, mark)
            self._hand_over(wanted, mark)

        if self._is_installed(wanted):  # the room comes from it, or has tried it before
            self._download.attempt(hand_over)
            return
        self._download.bring(wanted, lambda: self._wanted == wanted, hand_over, stop, beat)

    def _hand_over(self, wanted: WantedRelease, mark: str) -> None:
        """Tell the installer, once: it writes its state before it takes bundle and word away. We may have ended in
        between, or have had to wait for a device."""
        word, is_fetched = self._folder / "wanted", (self._folder / "bundle.tar").exists()
        if word.exists() or not (is_fetched or self._is_installed(wanted)):
            return
        if not self._is_acting() and self._installer_says().get("offer") != mark:
            put(word, mark if is_fetched else f"{mark} {wanted.version}")
            log.info("release_handed_over version=%s is_fetched=%s", wanted.version, is_fetched)

    def _is_installed(self, wanted: WantedRelease) -> bool:
        return (self._home / wanted.version / "WHOLE").exists()

    def _say_no_space(self, wanted: WantedFile) -> None:
        if isinstance(wanted, WantedRelease):
            self._said.event("release_no_space", wanted.url, version=wanted.version)

    def _installer_says(self) -> dict[str, object]:
        try:
            found: dict[str, object] = json.loads((self._home / "state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def _say_what_became_of_it(self) -> None:
        """By the installer's state file: in use, or put back."""
        found, mark = self._installer_says(), text_of(self._folder / "handed")
        if not mark or found.get("offer") != mark:
            return  # of an earlier offer
        phase, tried = found.get("phase"), text_of(self._folder / "tried")
        if phase == "done" and tried == version("diemcau"):
            self._said.event("release_taken", mark, version=tried)
        elif phase in ("back", "refused", "stuck"):
            # The installer's own words are of use where it refused; the centre has a text for the rest.
            why = str(found.get("why", ""))[:200] if phase == "refused" else "not_reported"
            self._said.event("release_back", mark, version=tried, why=why)
