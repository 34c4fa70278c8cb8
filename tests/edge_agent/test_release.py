"""A room fetches a release: it goes on where it broke off, takes no more of the line than it may, says how it ended."""

import hashlib
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from edge_agent.log import RoomLog
from edge_agent.release import ReleaseFetcher
from edge_agent.store import Store
from tests.counterparts.waiting import wait_for
from wire.messages import EventEntry, WantedRelease
from wire.times import SystemClock

BUNDLE = bytes(range(256)) * 2_000


class Centre:
    """Gives the bundle, by ranges; `breaks_after` ends answers early, so many bytes in."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.breaks_after: int | None = None
        self.lies = False
        self.ignores_ranges = False
        centre = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/away":
                    self.send_response(302)
                    self.send_header("Location", "/bundle")
                    self.end_headers()
                    return
                wanted = self.headers.get("Range", "")
                centre.asked.append(wanted)
                found = re.fullmatch(r"bytes=(\d+)-", wanted)
                start = int(found[1]) if found and not centre.ignores_ranges else 0
                content = BUNDLE[start:]
                self.send_response(206 if start else 200)
                if start:
                    said = start + 1 if centre.lies else start
                    self.send_header("Content-Range", f"bytes {said}-{len(BUNDLE) - 1}/{len(BUNDLE)}")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content if centre.breaks_after is None else content[: centre.breaks_after])

            def log_message(self, *_: object) -> None:
                return None

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/bundle"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Room:
    """A fetcher at work, and what it logs."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder / "release", home
        home.mkdir(exist_ok=True)
        self._store = Store(folder)
        self._log = RoomLog(self._store, SystemClock())
        self.fetcher = ReleaseFetcher(folder, self._log, SystemClock(), home, 0.05, 0.1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.fetcher.run, args=(self._stop, lambda: None))
        self._thread.start()

    def events(self) -> list[tuple[str, dict[str, object]]]:
        batch = self._log.batch()
        return (
            [(each.event, dict(each.params)) for each in batch.entries if isinstance(each, EventEntry)] if batch else []
        )

    def became(self, phase: str, why: str = "") -> None:
        """What the installer says."""
        mark = (self.folder / "handed").read_text()
        (self.home / "state.json").write_text(json.dumps({"phase": phase, "why": why, "offer": mark}))

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._store.close()


@pytest.fixture
def centre() -> Iterator[Centre]:
    made = Centre()
    yield made
    made.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path / "agent", tmp_path / "opt")
    yield made
    made.close()


def offered(centre: Centre, release: str = "9.9.9", rate_kbit_s: float = 1e6, **more: str) -> WantedRelease:
    sha256 = more.get("sha256", hashlib.sha256(BUNDLE).hexdigest())
    return WantedRelease(release, len(BUNDLE), sha256, more.get("url", centre.url), rate_kbit_s)


def handed(room: Room) -> bool:
    return (room.folder / "wanted").exists()


def test_what_is_fetched_is_handed_over_once_and_what_became_of_it_is_said_once(centre: Centre, room: Room) -> None:
    room.fetcher.told(offered(centre))
    wait_for(lambda: handed(room), 10, "nothing is handed over")
    assert (room.folder / "bundle.tar").read_bytes() == BUNDLE
    (room.folder / "wanted").unlink()
    room.became("back", "9.9.9 has not reported")
    wait_for(room.events, 10, "what became of it is not said")
    time.sleep(0.3)  # nothing may happen in it
    assert room.events() == [("release_back", {"version": "9.9.9", "why": "9.9.9 has not reported"})]
    assert not handed(room) and centre.asked == [""], "it is not tried again"
    room.fetcher.told(offered(centre, url=f"{centre.url}?another"))
    wait_for(lambda: handed(room), 10, "another offer is another try")
    assert [name for name, _ in room.events()] == ["release_back"], "and nothing is said of it before it is known"


def test_a_fetch_goes_on_where_it_broke_off(centre: Centre, room: Room) -> None:
    centre.breaks_after = 100_000
    room.fetcher.told(offered(centre))
    wait_for(lambda: len(centre.asked) >= 3, 10)
    centre.breaks_after = None
    wait_for(lambda: handed(room), 10, "it never comes to its end")
    assert centre.asked[:3] == ["", "bytes=100000-", "bytes=200000-"]
    assert (room.folder / "bundle.tar").read_bytes() == BUNDLE


@pytest.mark.parametrize("fault", ["lies", "ignores_ranges"])
def test_a_part_that_does_not_fit_spoils_nothing(centre: Centre, room: Room, fault: str) -> None:
    centre.breaks_after = 100_000
    room.fetcher.told(offered(centre))
    wait_for(lambda: len(centre.asked) >= 2, 10)
    setattr(centre, fault, True)
    centre.breaks_after = None
    if fault == "lies":
        wait_for(lambda: len(centre.asked) >= 4, 10)
        assert not handed(room)
        centre.lies = False
    wait_for(lambda: handed(room), 20, "it never comes to its end")
    assert (room.folder / "bundle.tar").read_bytes() == BUNDLE


def test_what_is_not_what_was_promised_is_not_handed_over(centre: Centre, room: Room) -> None:
    room.fetcher.told(offered(centre, sha256="0" * 64))
    wait_for(lambda: len(centre.asked) >= 2, 10, "it is not tried again")
    assert not handed(room) and not (room.folder / "bundle.tar").exists()


@pytest.mark.parametrize("url", ["/away", "file"])
def test_nothing_is_fetched_from_elsewhere(centre: Centre, room: Room, tmp_path: Path, url: str) -> None:
    (tmp_path / "evil").write_bytes(BUNDLE)
    elsewhere = centre.url.replace("/bundle", "/away") if url == "/away" else (tmp_path / "evil").as_uri()
    room.fetcher.told(offered(centre, url=elsewhere))
    time.sleep(0.5)  # nothing may happen in it
    assert not handed(room) and centre.asked == []


def test_the_line_is_taken_no_faster_than_allowed(centre: Centre, room: Room) -> None:
    began_s = time.monotonic()
    room.fetcher.told(offered(centre, rate_kbit_s=len(BUNDLE) * 8 / 1_000 / 1.5))  # the whole of it in 1.5 s
    wait_for(lambda: handed(room), 20)
    assert time.monotonic() - began_s >= 1.3


def test_an_offer_that_is_taken_back_ends_the_fetch(centre: Centre, room: Room) -> None:
    room.fetcher.told(offered(centre, rate_kbit_s=400))
    wait_for(lambda: (room.folder / "bundle.part").exists() and (room.folder / "bundle.part").stat().st_size, 10)
    room.fetcher.told(None)
    time.sleep(0.5)  # nothing may happen in it
    size = (room.folder / "bundle.part").stat().st_size
    time.sleep(0.5)
    assert (room.folder / "bundle.part").stat().st_size == size and not handed(room)


def test_a_room_that_has_it_already_says_so(centre: Centre, room: Room) -> None:
    room.fetcher.told(offered(centre, release=version("diemcau")))
    wait_for(room.events, 10)
    assert room.events() == [("release_taken", {"version": version("diemcau")})] and centre.asked == []
