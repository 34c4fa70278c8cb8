"""A room fetches a release: it goes on where it broke off, takes no more of the line than it may, says how it ended."""

import hashlib
import json
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from edge_agent.release import ReleaseFetcher
from tests.counterparts.fetching_room import FetchingRoom
from tests.counterparts.file_server import FileServer
from tests.counterparts.waiting import wait_for
from wire.messages import WantedRelease
from wire.times import SystemClock

BUNDLE = bytes(range(256)) * 2_000


class Room(FetchingRoom[ReleaseFetcher]):
    """With an installer that says what became of it."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder / "release", home
        home.mkdir(exist_ok=True)
        self.acts = False
        super().__init__(
            folder, lambda log: ReleaseFetcher(folder, log, SystemClock(), lambda: self.acts, home, 0.05, 0.1)
        )

    def became(self, phase: str, why: str = "") -> None:
        """What the installer says."""
        mark = (self.folder / "handed").read_text()
        (self.home / "state.json").write_text(json.dumps({"phase": phase, "why": why, "offer": mark}))


@pytest.fixture
def centre() -> Iterator[FileServer]:
    made = FileServer(BUNDLE)
    yield made
    made.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path / "agent", tmp_path / "opt")
    yield made
    made.close()


def offered(centre: FileServer, release: str = "9.9.9", rate_kbit_s: float = 1e6, **more: str) -> WantedRelease:
    sha256 = more.get("sha256", hashlib.sha256(BUNDLE).hexdigest())
    return WantedRelease(
        version=release, size=len(BUNDLE), sha256=sha256, url=more.get("url", centre.url), rate_kbit_s=rate_kbit_s
    )


def handed(room: Room) -> bool:
    return (room.folder / "wanted").exists()


def test_what_is_fetched_is_handed_over_once_and_what_became_of_it_is_said_once(centre: FileServer, room: Room) -> None:
    room.fetcher.told(offered(centre))
    wait_for(lambda: handed(room), 10, "nothing is handed over")
    assert (room.folder / "bundle.tar").read_bytes() == BUNDLE
    room.became("back", "9.9.9 has not reported")
    (room.folder / "wanted").unlink()
    wait_for(room.events, 10, "what became of it is not said")
    room.looks_again()
    assert room.events() == [("release_back", {"version": "9.9.9", "why": "not_reported"})]
    assert not handed(room) and centre.asked == [""], "it is not tried again"
    room.fetcher.told(offered(centre, url=f"{centre.url}?another"))
    wait_for(lambda: handed(room), 10, "another offer is another try")
    assert [name for name, _ in room.events()] == ["release_back"], "and nothing is said of it before it is known"


def test_what_was_fetched_before_the_agent_ended_is_handed_over_all_the_same(centre: FileServer, room: Room) -> None:
    room.fetcher.told(offered(centre))
    wait_for(lambda: handed(room), 10, "nothing is handed over")
    (room.folder / "wanted").unlink()  # as if it had ended before it could say so
    wait_for(lambda: handed(room), 10, "the installer never hears of it")
    assert centre.asked == [""], "it is not fetched again"


def test_a_release_that_is_still_installed_is_not_fetched_again(centre: FileServer, room: Room) -> None:
    """So a room goes back: to what it comes from, which its installer has kept."""
    (room.home / "0.0.9").mkdir()
    (room.home / "0.0.9" / "WHOLE").touch()
    room.acts = True
    room.fetcher.told(offered(centre, "0.0.9"))
    wait_for(lambda: (room.folder / "handed").exists(), 10, "it is not taken up")
    room.looks_again()
    assert not handed(room), "a device is doing something"
    room.acts = False
    wait_for(lambda: handed(room), 10, "nothing is handed over")
    mark = (room.folder / "handed").read_text()
    assert (room.folder / "wanted").read_text() == f"{mark} 0.0.9" and not centre.asked
    room.became("back", "0.0.9 has not reported")
    (room.folder / "wanted").unlink()
    wait_for(room.events, 10, "what became of it is not said")
    room.looks_again()
    assert room.events() == [("release_back", {"version": "0.0.9", "why": "not_reported"})] and not handed(room)


def test_no_release_cuts_short_what_a_device_is_doing(centre: FileServer, room: Room) -> None:
    room.acts = True
    room.fetcher.told(offered(centre))
    wait_for(lambda: (room.folder / "bundle.tar").exists(), 10, "it is fetched all the same")
    room.looks_again()
    assert not handed(room)
    room.acts = False
    wait_for(lambda: handed(room), 10, "and handed over once the device is done")


def test_a_fetch_goes_on_where_it_broke_off(centre: FileServer, room: Room) -> None:
    centre.breaks_after = 100_000
    room.fetcher.told(offered(centre))
    wait_for(lambda: len(centre.asked) >= 3, 10)
    centre.breaks_after = None
    wait_for(lambda: handed(room), 10, "it never comes to its end")
    assert centre.asked[:3] == ["", "bytes=100000-", "bytes=200000-"]
    assert (room.folder / "bundle.tar").read_bytes() == BUNDLE


@pytest.mark.parametrize("fault", ["lies", "ignores_ranges"])
def test_a_part_that_does_not_fit_spoils_nothing(centre: FileServer, room: Room, fault: str) -> None:
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


def test_what_is_not_what_was_promised_is_not_handed_over(centre: FileServer, room: Room) -> None:
    room.fetcher.told(offered(centre, sha256="0" * 64))
    wait_for(lambda: len(centre.asked) >= 2, 10, "it is not tried again")
    assert not handed(room) and not (room.folder / "bundle.tar").exists()


@pytest.mark.parametrize("url", ["/away", "file"])
def test_nothing_is_fetched_from_elsewhere(centre: FileServer, room: Room, tmp_path: Path, url: str) -> None:
    (tmp_path / "evil").write_bytes(BUNDLE)
    elsewhere = centre.url.replace("/file", "/away") if url == "/away" else (tmp_path / "evil").as_uri()
    room.fetcher.told(offered(centre, url=elsewhere))
    room.looks_again()
    assert not handed(room) and centre.asked == []


def test_the_line_is_taken_no_faster_than_allowed(centre: FileServer, room: Room) -> None:
    began_s = time.monotonic()
    room.fetcher.told(offered(centre, rate_kbit_s=len(BUNDLE) * 8 / 1_000 / 1.5))  # the whole of it in 1.5 s
    wait_for(lambda: handed(room), 20)
    assert time.monotonic() - began_s >= 1.3


def test_an_offer_that_is_taken_back_ends_the_fetch(centre: FileServer, room: Room) -> None:
    room.fetcher.told(offered(centre, rate_kbit_s=400))
    wait_for(lambda: (room.folder / "bundle.part").exists() and (room.folder / "bundle.part").stat().st_size, 10)
    room.fetcher.told(None)
    room.looks_again(2)
    size = (room.folder / "bundle.part").stat().st_size
    room.looks_again()
    assert (room.folder / "bundle.part").stat().st_size == size and not handed(room)


def test_a_room_that_has_it_already_says_so(centre: FileServer, room: Room) -> None:
    room.fetcher.told(offered(centre, release=version("diemcau")))
    wait_for(room.events, 10)
    assert room.events() == [("release_taken", {"version": version("diemcau")})] and centre.asked == []
