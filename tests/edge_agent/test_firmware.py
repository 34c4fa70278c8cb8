"""A room keeps what is signed for its devices, and believes nothing else."""

import hashlib
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge_agent.firmware import FirmwareFetcher
from release.build import new_key
from tests.counterparts.fetching_room import FetchingRoom
from tests.counterparts.file_server import FileServer
from tests.counterparts.waiting import wait_for
from wire import firmware
from wire.messages import WantedFile
from wire.times import SystemClock

IMAGE = b"IMAGE" * 40_000
SHA256 = hashlib.sha256(IMAGE).hexdigest()


class Room(FetchingRoom[FirmwareFetcher]):
    """Whose key of the province is this."""

    def __init__(self, folder: Path, key: Path) -> None:
        self.folder = folder / "firmware"
        super().__init__(folder, lambda log: FirmwareFetcher(folder, log, SystemClock(), key, 0.05, 0.1))

    def said(self) -> list[tuple[str, str]]:
        """Names of events, and the version or the reason."""
        return [(name, str(params.get("version", params.get("why")))) for name, params in self.events()]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    for name in ("province", "stranger"):
        new_key(tmp_path / f"{name}.key")
    return tmp_path


def signed(keys: Path, by: str = "province", version: str = "V5.7.15 build 210628") -> bytes:
    (keys / "image").write_bytes(IMAGE)
    out = keys / f"{by}.tar"
    firmware.write(out, keys / "image", keys / f"{by}.key", family="hikvision", version=version)
    return out.read_bytes()


@pytest.fixture
def centre(keys: Path) -> Iterator[FileServer]:
    made = FileServer(signed(keys))
    yield made
    made.close()


@pytest.fixture
def room(tmp_path: Path, keys: Path) -> Iterator[Room]:
    made = Room(tmp_path / "agent", keys / "province.key.pub")
    yield made
    made.close()


def offered(centre: FileServer, query: str = "", rate_kbit_s: float = 1e6) -> WantedFile:
    sha256 = hashlib.sha256(centre.content).hexdigest()
    return WantedFile(size=len(centre.content), sha256=sha256, url=centre.url + query, rate_kbit_s=rate_kbit_s)


def test_an_image_that_cannot_be_had_holds_up_no_other(centre: FileServer, room: Room) -> None:
    gone = msgspec.structs.replace(offered(centre), sha256="0" * 64, url=centre.url.replace("http://", "http://no."))
    room.fetcher.told((gone, offered(centre)))
    wait_for(lambda: room.said() == [("firmware_fetched", "V5.7.15 build 210628")], 10, "it is not fetched")


def test_a_signed_image_is_fetched_once_and_kept_for_a_while_when_nobody_wants_it(
    centre: FileServer, room: Room
) -> None:
    room.fetcher.told((offered(centre),))
    wait_for(lambda: room.said() == [("firmware_fetched", "V5.7.15 build 210628")], 10, "it is not fetched")
    found = room.fetcher.image(SHA256)
    assert found is not None and found.read_bytes() == IMAGE
    room.fetcher.told((offered(centre, "?another-campaign"),))
    wait_for(lambda: len(room.said()) == 2, 10, "another offer is answered too")
    assert len(centre.asked) == 1, "and not fetched again"
    room.fetcher.told(())
    room.looks_again()
    room.fetcher.told((offered(centre),))
    room.looks_again()
    assert len(centre.asked) == 1 and room.fetcher.image(SHA256), "a session was near, and is over"
    room.fetcher.told(())
    for file in room.folder.iterdir():
        os.utime(file, (time.time() - 8 * 86_400,) * 2)
    wait_for(lambda: not [*room.folder.glob("*.image"), *room.folder.glob("*.here")], 10, "it is kept for ever")


def test_another_image_takes_the_place_of_the_one_before(centre: FileServer, room: Room, keys: Path) -> None:
    room.fetcher.told((offered(centre),))
    wait_for(room.said, 10)
    (keys / "image").write_bytes(b"another")
    firmware.write(keys / "2.tar", keys / "image", keys / "province.key", family="hikvision", version="V6.0.0")
    another = FileServer((keys / "2.tar").read_bytes())
    room.fetcher.told((offered(another),))
    wait_for(lambda: len(room.said()) == 2, 10)
    assert room.fetcher.image(hashlib.sha256(b"another").hexdigest())
    wait_for(lambda: room.fetcher.image(SHA256) is None, 20, "the one before is kept")
    another.close()


def test_a_fetch_goes_on_where_it_broke_off(centre: FileServer, room: Room) -> None:
    centre.breaks_after = 90_000
    room.fetcher.told((offered(centre),))
    wait_for(lambda: len(centre.asked) >= 2, 10)
    centre.breaks_after = None
    wait_for(lambda: room.fetcher.image(SHA256), 10, "it never comes to its end")
    assert centre.asked[1] == "bytes=90000-"


def test_what_a_stranger_has_signed_is_refused_once_and_said(keys: Path, room: Room) -> None:
    strange = FileServer(signed(keys, "stranger"))
    room.fetcher.told((offered(strange),))
    wait_for(room.said, 10)
    ((event, why),) = room.said()
    assert event == "firmware_refused" and why == "wrong_signature"
    assert room.fetcher.image(SHA256) is None and not list(room.folder.glob("*image*"))
    room.fetcher.told((offered(strange, "?again"),))
    wait_for(lambda: len(room.said()) == 2, 10, "another offer is another try")
    assert len(strange.asked) == 2
    strange.close()


def test_a_room_without_a_key_believes_nobody(centre: FileServer, room: Room, keys: Path) -> None:
    (keys / "province.key.pub").unlink()
    room.fetcher.told((offered(centre),))
    wait_for(room.said, 10)
    assert room.said() == [("firmware_refused", "no_key")] and room.fetcher.image(SHA256) is None


def test_an_image_that_was_changed_afterwards_is_not_given_to_a_device(centre: FileServer, room: Room) -> None:
    room.fetcher.told((offered(centre),))
    wait_for(lambda: room.fetcher.image(SHA256), 10)
    (room.folder / f"{SHA256}.image").write_bytes(IMAGE[:-1] + b"!")
    assert room.fetcher.image(SHA256) is None
    assert room.fetcher.image("../agent.db") is None


@pytest.mark.parametrize("byte", range(0, 12_000, 997))
def test_any_changed_byte_of_list_signature_or_image_is_found(keys: Path, byte: int) -> None:
    raw = bytearray(signed(keys))
    with tarfile.open(keys / "province.tar") as tar:
        members = {member.name: member for member in tar.getmembers()}
    for member in members.values():
        place = member.offset_data + byte % member.size
        changed = bytes(raw[:place]) + bytes([raw[place] ^ 1]) + bytes(raw[place + 1 :])
        (keys / "changed.tar").write_bytes(changed)
        with pytest.raises(firmware.WrongSignature):
            firmware.read(keys / "changed.tar", keys / "province.key.pub")


@pytest.mark.parametrize(
    "wrong", [b"", b"no tar", b"\0" * 10_240, b"x" * 100_000], ids=["empty", "text", "zeros", "noise"]
)
def test_what_is_no_firmware_is_a_typed_error(keys: Path, wrong: bytes) -> None:
    (keys / "wrong.tar").write_bytes(wrong)
    with pytest.raises(firmware.Unreadable):
        firmware.read(keys / "wrong.tar", keys / "province.key.pub")


def test_keys_and_names_that_are_none_are_refused_when_signing(keys: Path) -> None:
    (keys / "image").write_bytes(IMAGE)
    for key, version in (("province.key.pub", "V1"), ("image", "V1"), ("province.key", "V1\nV2"), ("province.key", "")):
        with pytest.raises(firmware.Unreadable):
            firmware.write(keys / "out.tar", keys / "image", keys / key, family="hikvision", version=version)
        assert not (keys / "out.tar").exists()
