"""The PC's own screen: connectors that umockdev describes, EDIDs made byte by byte, a ddcutil that is a program."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.display_screen.edid import ScreenIdentity, identity_in
from device_drivers.errors import BadAnswer
from tests.conftest import need
from tests.counterparts.described import UMOCKDEV, program, told_with


def edid_of(make: str = "DEL", product: int = 0xA1D8, number: int = 0, **texts: str) -> bytes:
    """A base block as VESA E-EDID (release A, revision 2, section 3) lays it out; `texts`: by descriptor."""
    block = bytearray(128)
    block[0:8] = b"\x00\xff\xff\xff\xff\xff\xff\x00"
    first, second, third = (ord(letter) - ord("A") + 1 for letter in make)
    block[8:10] = bytes((first << 2 | second >> 3, (second & 7) << 5 | third))
    block[10:12] = bytes((product & 0xFF, product >> 8))
    block[12:16] = number.to_bytes(4, "little")
    block[16:20] = bytes((12, 32, 1, 4))  # week, year - 1990, version 1.4
    block[20:25] = bytes((0xA5, 53, 30, 120, 0x3A))  # digital, size in cm, gamma, features
    block[38:54] = b"\x01" * 16  # no standard timings
    # 3.10.2: detailed timing of 1920x1080 at 60 Hz, which begins with a pixel clock that is not zero
    block[54:72] = bytes.fromhex("023a801871382d40582c4500132b2100001e")
    tags = {"name": 0xFC, "serial": 0xFF, "text": 0xFE}
    for at, (kind, text) in zip((72, 90, 108), texts.items(), strict=False):
        said = text.encode("latin-1")[:13]
        said = said + b"\n" + b" " * (12 - len(said)) if len(said) < 13 else said
        block[at : at + 18] = bytes((0, 0, 0, tags[kind], 0)) + said
    return signed(block)


def signed(block: bytearray) -> bytes:
    """With the sum that makes all 128 bytes nought."""
    block[127] = -sum(block[:127]) % 256
    return bytes(block)


DELL = edid_of(name="DELL P2422H", serial="8K3V7P3", text="not asked")
LG = edid_of("GSM", 0x5B09, 16_843_009, name="LG ULTRAWIDE")

# EDID


def test_a_screen_tells_make_model_and_serial() -> None:
    assert identity_in(DELL) == ScreenIdentity("DEL", "DELL P2422H", "8K3V7P3")


def test_numbers_stand_in_when_there_are_no_texts() -> None:
    assert identity_in(edid_of("HPN", 0x3A1F, 305_419_896)) == ScreenIdentity("HPN", "3A1F", "305419896")
    assert identity_in(edid_of("HPN", 0x3A1F, 0)).serial == ""


def test_a_name_of_thirteen_letters_has_no_end_of_line() -> None:
    assert identity_in(edid_of(name="SAMSUNG C27F3")).model == "SAMSUNG C27F3"


def test_extensions_behind_the_block_change_nothing() -> None:
    assert identity_in(DELL + bytes(128)) == identity_in(DELL)


def test_letters_that_are_none_are_no_make() -> None:
    block = bytearray(DELL)
    block[8:10] = b"\xff\xff"
    assert identity_in(signed(block)).make == ""


def test_bytes_that_are_no_edid_are_a_bad_answer() -> None:
    wrong_sum = DELL[:127] + bytes((DELL[127] ^ 1,))
    for noise in (b"", DELL[:127], wrong_sum, b"\0" * 128, b"\xff" + DELL[1:], b"GIF89a" * 40):
        with pytest.raises(BadAnswer):
            identity_in(noise)


@given(st.binary(max_size=300) | st.binary(min_size=119, max_size=119))
def test_any_bytes_give_an_identity_or_a_bad_answer(noise: bytes) -> None:
    right = signed(bytearray(DELL[:8] + noise[:119].ljust(119, b"\0") + b"\0"))
    found = identity_in(right)
    assert (found.make == "" or len(found.make) == 3) and found.model
    assert all(part.isprintable() and len(part) <= 13 for part in (found.make, found.model, found.serial))
    try:
        identity_in(noise)
    except BadAnswer:
        assert noise[:8] != DELL[:8] or len(noise) < 128 or sum(noise[:128]) % 256


@given(st.integers(0, 126), st.integers(1, 255))
def test_one_wrong_byte_is_noticed(at: int, by: int) -> None:
    block = bytearray(DELL)
    block[at] = (block[at] + by) % 256
    with pytest.raises(BadAnswer):
        identity_in(bytes(block))


# Connectors


def connector(name: str, status: str = "connected", edid: bytes = b"", **more: str) -> str:
    told = {"status": status, "enabled": "enabled", "dpms": "On", "modes": "1920x1080\\n1280x720"} | more
    if status != "connected":
        told |= {"enabled": "disabled", "dpms": "Off", "modes": ""}
    lines = [f"P: /devices/pci0000:00/0000:00:02.0/drm/card0/card0-{name}", "E: SUBSYSTEM=drm"]
    lines += [f"A: {key}={value}\\n" for key, value in told.items()]
    return "\n".join([*lines, f"H: edid={edid.hex().upper()}", "", ""])


HDMI, DP_OUT = connector("HDMI-A-1", edid=DELL), connector("DP-1", "disconnected")
LOOK = """
import json, msgspec
from device_drivers.display_screen.driver import DisplayScreen
from device_drivers.errors import DriverError
from wire.times import SystemClock
screen = DisplayScreen(msgspec.convert({settings!r}, DisplayScreen.Settings), SystemClock())
told = {{}}
try:
    seen = screen.observe()
    told |= {{"readings": seen.readings, "identity": msgspec.to_builtins(seen.identity)}}
    told["actions"] = [spec.action for spec in seen.actions]
    for action, params in {acts!r}:
        told.setdefault("done", []).append(screen.act(action, params, lambda detail, **_: None))
except DriverError as error:
    told |= {{"error": type(error).__name__, "says": str(error)}}
print(json.dumps(told))
"""


@pytest.fixture
def described(tmp_path: Path) -> Path:
    need(UMOCKDEV, "umockdev")
    return tmp_path


def look(folder: Path, devices: str, acts: Any = (), path: str | None = None, **settings: Any) -> dict[str, Any]:
    # Without a ddcutil of the test's own there is none, whatever this machine has.
    empty = program(folder / "none", "ddcutil", "#!/bin/sh\nexit 1\n") if path is None else path
    found: dict[str, Any] = told_with(devices, folder, LOOK.format(settings=settings, acts=acts), PATH=empty)
    return found


def test_a_connected_screen_is_told(described: Path) -> None:
    found = look(described, DP_OUT + HDMI)
    assert found["readings"] == {"power": "on", "connector": "HDMI-A-1", "width": 1920, "height": 1080}
    assert found["identity"] == {"make": "DEL", "model": "DELL P2422H", "serial": "8K3V7P3", "firmware": ""}
    assert found["actions"] == [], "nobody answers over DDC/CI"


@pytest.mark.parametrize("off", [{"dpms": "Off"}, {"enabled": "disabled"}, {"dpms": "Standby"}])
def test_a_screen_that_gets_no_picture_is_off(described: Path, off: dict[str, str]) -> None:
    assert look(described, connector("HDMI-A-1", edid=DELL, **off))["readings"]["power"] == "off"


def test_a_screen_that_is_not_connected_does_not_answer(described: Path) -> None:
    found = look(described, DP_OUT)
    assert found["error"] == "NotAnswering"
    assert "cable" in found["says"]


def test_the_wanted_connector_is_looked_at_when_another_has_a_screen(described: Path) -> None:
    two = HDMI + connector("DP-2", edid=LG, modes="2560x1080")
    assert look(described, two, connector="DP-2")["identity"]["model"] == "LG ULTRAWIDE"
    assert look(described, two)["readings"]["connector"] == "DP-2", "without a wish it is the first by name"
    assert look(described, HDMI, connector="DP-2")["error"] == "NotAnswering"


def test_a_writeback_connector_is_no_screen(described: Path) -> None:
    assert look(described, connector("Writeback-1"))["error"] == "NotAnswering"


@pytest.mark.parametrize("edid", [b"", bytes(128), DELL[:60]])
def test_a_screen_is_there_when_its_edid_is_eaten_on_the_way(described: Path, edid: bytes) -> None:
    found = look(described, connector("VGA-1", edid=edid, modes=""))
    assert found["readings"] == {"power": "on", "connector": "VGA-1", "width": None, "height": None}
    assert found["identity"]["model"] == ""


def test_discovery_names_the_first_connected_screen(described: Path) -> None:
    code = (
        "import json, msgspec\nfrom device_drivers.area import Area\n"
        "from device_drivers.display_screen.discover import discover\n"
        "print(json.dumps([msgspec.to_builtins(found) for found in discover(Area())]))"
    )
    (found,) = told_with(DP_OUT + HDMI, described, code)
    assert (found["address"], found["make"], found["settings"]) == ("HDMI-A-1", "DEL", {"connector": "HDMI-A-1"})
    assert told_with(DP_OUT, described, code) == []


# DDC/CI. Options and the terse form are those of ddcutil 1.4.1 (its manual page, and `VCP %02X SNC x%02x` in
# its source); `late`: the answer changes so many questions after the order.

DDCUTIL = """\
#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
words = sys.argv[1:]
with (folder / "asked").open("a") as asked:
    asked.write(json.dumps(words) + "\\n")
edid = words[words.index("--edid") + 1] if "--edid" in words else None
state = json.loads((folder / "state").read_text())
screen = state["screens"].get(edid) if edid else next(iter(state["screens"].values()))
if screen is None:
    sys.exit("Display not found")
code = words[1].upper()
if words[0] == "getvcp":
    waiting = screen.setdefault("waiting", {{}}).get(code)
    if waiting is not None:
        waiting[0] -= 1
        if waiting[0] <= 0:
            screen[code] = screen["waiting"].pop(code)[1]
        (folder / "state").write_text(json.dumps(state))
    print(f"VCP {{code}} ERR" if screen[code] is None else f"VCP {{code}} SNC x{{screen[code]:02x}}")
elif words[0] == "setvcp":
    if state["refuses"]:
        sys.exit("Display not found")
    if not state["deaf"]:
        screen.setdefault("waiting", {{}})[code] = [state["late"], int(words[2], 16)]
        (folder / "state").write_text(json.dumps(state))
"""


class Ddcutil:
    """Screens that ddcutil would find, by their EDID."""

    def __init__(self, folder: Path, *edids: bytes, late: int = 1, deaf: bool = False, refuses: bool = False) -> None:
        self._folder = folder
        screens = {edid.hex(): {"D6": 1, "60": 0x0F} for edid in edids}
        (folder / "state").write_text(json.dumps({"screens": screens, "late": late, "deaf": deaf, "refuses": refuses}))
        self.path = program(folder / "bin", "ddcutil", DDCUTIL.format(python=sys.executable, folder=str(folder)))

    def of(self, edid: bytes) -> tuple[int, int]:
        """Power and input of one screen."""
        screen = json.loads((self._folder / "state").read_text())["screens"][edid.hex()]
        return screen["D6"], screen["60"]

    def asked(self, verb: str) -> list[list[str]]:
        """Every call so far that began so."""
        lines = (self._folder / "asked").read_text().splitlines()
        return [words for line in lines if (words := json.loads(line))[0] == verb]


def test_a_screen_that_answers_offers_to_be_switched_and_is_asked_once(described: Path) -> None:
    ddcutil = Ddcutil(described, DELL)
    found = look(described, HDMI, path=ddcutil.path)
    assert found["actions"] == ["on", "off", "set_input"]
    assert ddcutil.asked("getvcp") == [["getvcp", "d6", "--terse", "--edid", DELL.hex()]]
    assert ddcutil.asked("setvcp") == []


@pytest.mark.parametrize("late", [1, 3])
def test_on_off_and_input_are_done_when_the_screen_says_so(described: Path, late: int) -> None:
    ddcutil = Ddcutil(described, DELL, late=late)
    found = look(described, HDMI, [("off", {}), ("set_input", {"input": "hdmi2"})], ddcutil.path)
    assert found["done"] == [{}, {}]
    assert ddcutil.of(DELL) == (0x04, 0x12)
    found = look(described, HDMI, [("on", {})], ddcutil.path)
    assert (found["done"], ddcutil.of(DELL)) == ([{}], (0x01, 0x12))
    orders = [words[:3] for words in ddcutil.asked("setvcp")]
    assert orders == [["setvcp", "d6", "0x04"], ["setvcp", "60", "0x12"], ["setvcp", "d6", "0x01"]]
    assert len(ddcutil.asked("getvcp")) >= 3 * late


def test_the_screen_of_the_connector_is_switched_when_ddcutil_would_take_another(described: Path) -> None:
    two = HDMI + connector("DP-2", edid=LG)
    ddcutil = Ddcutil(described, DELL, LG)
    assert look(described, two, [("off", {})], ddcutil.path, connector="DP-2")["done"] == [{}]
    assert (ddcutil.of(DELL), ddcutil.of(LG)) == ((0x01, 0x0F), (0x04, 0x0F))


def test_nothing_is_offered_when_the_screen_cannot_be_told_from_others(described: Path) -> None:
    ddcutil = Ddcutil(described, DELL)
    assert look(described, connector("HDMI-A-1"), path=ddcutil.path)["actions"] == []
    assert look(described, connector("HDMI-A-1", edid=LG), path=ddcutil.path)["actions"] == []
    refused = look(described, connector("HDMI-A-1", edid=LG), [("off", {})], ddcutil.path)
    assert refused["error"] == "NotOffered"
    assert ddcutil.of(DELL) == (0x01, 0x0F)


def test_an_order_that_could_not_be_handed_over_is_no_screen_that_went_off(described: Path) -> None:
    """As with ddcutil's rights, or a bus that is busy: neither the order nor a question gets through."""
    ddcutil = Ddcutil(described, DELL, refuses=True)
    found = look(described, HDMI, [("off", {})], ddcutil.path)
    assert found["error"] == "ActFailed" and found["says"].startswith("refused_by_device")


@pytest.mark.timeout(90)
def test_an_ok_without_an_effect_is_a_failure(described: Path) -> None:
    """It takes the half minute that a slow screen is given."""
    ddcutil = Ddcutil(described, DELL, deaf=True)
    found = look(described, HDMI, [("off", {})], ddcutil.path)
    assert (found["error"], found["says"]) == ("ActFailed", "no_effect_seen")
    assert len(ddcutil.asked("setvcp")) == 1, "an order is given once"
    assert len(ddcutil.asked("getvcp")) > 10


@pytest.mark.parametrize(
    "said", ["VCP D6 ERR", "", "VCP D6 C 1 5", "VCP 60 SNC x01", "Display not found", "\xff\xfe VCP D6 SNC xzz"]
)
def test_an_answer_that_is_none_offers_nothing(described: Path, said: str) -> None:
    (described / "said").write_text(said, encoding="latin-1")
    path = program(described / "bin", "ddcutil", f'#!/bin/sh\ncat "{described}/said"\n')
    found = look(described, HDMI, path=path)
    assert found["actions"] == []
    assert found["readings"]["power"] == "on", "what the kernel says stands all the same"
