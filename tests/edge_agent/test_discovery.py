"""Looking round on the loopback interface alone: a real upsd, a camera that is not ours, and little responders."""

import base64
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from demo.processes import Processes
from demo.this_machine import _DUMMY, _UPSD, start_camera, start_upsd
from device_drivers.area import Area
from device_drivers.camera_onvif.discover import camera_in
from device_drivers.equipment import EquipmentLoop
from device_drivers.loopback import free_port
from device_drivers.mdns import named_in
from device_drivers.mixer_osc.simulator import SimulatedMixer
from device_drivers.registry import driver_class
from edge_agent.config import DeviceConfig, RoomConfig, load
from edge_agent.discover_cli import toml_of
from edge_agent.discovery import discover, unknown_of
from tests.conftest import need
from tests.counterparts.described import UMOCKDEV, told_with
from tests.counterparts.waiting import listening, wait_for
from wire.messages import FoundDevice

AXIS = "_axis-video._tcp.local"
PASSWORD = "Mật-khẩu-9f3c"
LOOPBACK = {"broadcast": ("127.0.0.1",), "multicast": False, "wait_s": 0.5}


class Responder(threading.Thread):
    """Answers datagrams on a port of the loopback interface, and keeps what it was sent."""

    def __init__(self, answers: Callable[[bytes], list[bytes]]) -> None:
        super().__init__(daemon=True)
        self._answers, self._ended = answers, threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.port: int = self._socket.getsockname()[1]
        self.received: list[bytes] = []
        self.start()

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                datagram, sender = self._socket.recvfrom(65_536)
                self.received.append(datagram)
                for answer in self._answers(datagram):
                    self._socket.sendto(answer, sender)
            except OSError:
                continue

    def end(self) -> None:
        self._ended.set()
        self.join(2)
        self._socket.close()


class Recorder(threading.Thread):
    """A go-between on TCP that keeps what the client says."""

    def __init__(self, to_port: int) -> None:
        super().__init__(daemon=True)
        self._to_port, self._server = to_port, socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.received: list[bytes] = []
        self.start()

    def run(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to_port))
            threading.Thread(target=self._carry, args=(near, far, self.received), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, []), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, kept: list[bytes]) -> None:
        try:
            while part := one.recv(65_536):
                kept.append(part)
                other.sendall(part)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            other.close()

    def end(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.join(2)


class RecordingMixer(SimulatedMixer):
    """The simulator, with an ear for the bytes themselves."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.bytes_received: list[bytes] = []

    def hear(self, datagram: bytes, sender: tuple[str, int]) -> None:
        self.bytes_received.append(datagram)
        super().hear(datagram, sender)


def probe_match(addresses: str, scopes: str) -> bytes:
    """A ProbeMatch in the prefixes of a camera of 2019."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-'
        'envelope" xmlns:wsdd="http://schemas.xmlsoap.org/ws/2005/04/discovery"><SOAP-ENV:Body><wsdd:ProbeMatches>'
        "<wsdd:ProbeMatch><wsdd:Types>dn:NetworkVideoTransmitter</wsdd:Types>"
        f'<wsdd:Scopes MatchBy="">{scopes}</wsdd:Scopes><wsdd:XAddrs>{addresses}</wsdd:XAddrs>'
        "<wsdd:MetadataVersion>10</wsdd:MetadataVersion></wsdd:ProbeMatch></wsdd:ProbeMatches></SOAP-ENV:Body>"
        "</SOAP-ENV:Envelope>"
    ).encode()


CAMERA = probe_match(
    "http://192.0.2.77:8899/onvif/service http://[fe80::1]:8899/onvif/service",
    "onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/hardware/DS-2CD2143G2-I "
    "onvif://www.onvif.org/name/HIKVISION%20DS-2CD2143G2-I onvif://www.onvif.org/location/country/china",
)


def axis_camera(question: bytes, name: str = "AXIS P3245-V - ACCC8E0A1B2C", port: int = 80) -> bytes:
    """What a camera's mDNS responder says to a one-shot question: pointer, and its service as an additional record."""
    asked = dns.message.from_wire(question)
    assert asked.question[0].name == dns.name.from_text(AXIS)
    answer = dns.message.make_response(asked)
    answer.flags |= dns.flags.AA
    instance = dns.name.Name((name.encode(), *dns.name.from_text(AXIS).labels))
    answer.answer.append(dns.rrset.from_text(AXIS + ".", 10, "IN", "PTR", instance.to_text()))
    answer.additional.append(dns.rrset.from_text(instance, 10, "IN", "SRV", f"0 0 {port} axis-accc8e.local."))
    return answer.to_wire()


@pytest.fixture
def responders() -> Iterator[Callable[[Callable[[bytes], list[bytes]]], Responder]]:
    made: list[Responder] = []

    def make(answers: Callable[[bytes], list[bytes]]) -> Responder:
        made.append(Responder(answers))
        return made[-1]

    yield make
    for responder in made:
        responder.end()


class Surroundings:
    """A room's equipment that nobody has configured."""

    def __init__(self, equipment: EquipmentLoop, responders: Any, upsd_port: int | None) -> None:
        self.x32, self.xr18 = RecordingMixer(), RecordingMixer(family="xair")
        for mixer in (self.x32, self.xr18):
            equipment.run(mixer.plug_in())
        self.upsd = Recorder(upsd_port) if upsd_port is not None else None
        self.camera = responders(lambda _: [CAMERA])
        self.axis = responders(lambda question: [axis_camera(question)])
        self.display = responders(lambda asked: [b"%2ACKN=00:80:92:AB:cd:01\r"] if asked == b"%2SRCH\r" else [])
        # Where no upsd runs, whoever asks for one finds a closed port.
        closed = free_of_listeners()
        self.ports = {
            "10023": self.x32.port, "10024": self.xr18.port, "3493": self.upsd.port if self.upsd else closed,
            "3702": self.camera.port, "5353": self.axis.port, "4352": self.display.port,
        }  # fmt: skip

    @property
    def area(self) -> Area:
        return msgspec.convert(LOOPBACK | {"ports": self.ports}, Area)

    def received(self) -> bytes:
        """Every byte that anybody was sent."""
        parts = [*self.x32.bytes_received, *self.xr18.bytes_received, *self.camera.received, *self.axis.received]
        return b"\n".join([*parts, *self.display.received, *(self.upsd.received if self.upsd else ())])


def free_of_listeners() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def upsd(processes: Processes, tmp_path: Path) -> int:
    need((_UPSD.exists() and _DUMMY.exists()) or None, "nut-server")
    port = start_upsd(processes, tmp_path / "nut")
    listening(port)
    return port


@pytest.fixture
def around(equipment: EquipmentLoop, responders: Any, upsd: int) -> Iterator[Surroundings]:
    found = Surroundings(equipment, responders, upsd)
    # Until its driver has spoken an upsd lists the UPS with nothing in it.
    wait_for(lambda: any(device.driver == "ups_nut" and device.make for device in discover(found.area)), 20)
    yield found
    if found.upsd is not None:
        found.upsd.end()


# Found


def test_everything_that_answers_is_found_with_what_it_says_of_itself(around: Surroundings) -> None:
    found = {(device.driver, device.address): device for device in discover(around.area)}
    x32, xr18 = around.ports["10023"], around.ports["10024"]
    wanted = {
        ("mixer_osc", f"127.0.0.1:{x32}"): (
            "mixer", "Behringer", "X32", {"host": "127.0.0.1", "family": "x32", "port": x32},
        ),
        ("mixer_osc", f"127.0.0.1:{xr18}"): (
            "mixer", "Behringer", "XR18", {"host": "127.0.0.1", "family": "xair", "port": xr18},
        ),
        ("ups_nut", f"room@127.0.0.1:{around.ports['3493']}"): (
            "ups", "Dummy Manufacturer", "Dummy UPS", {"ups": "room", "port": around.ports["3493"]},
        ),
        ("camera_onvif", "127.0.0.1:8899"): (
            "camera", "HIKVISION DS-2CD2143G2-I", "DS-2CD2143G2-I",
            {"host": "127.0.0.1", "port": 8899, "path": "/onvif/service"},
        ),
        ("camera_onvif", "127.0.0.1:80"): ("camera", "AXIS", "AXIS P3245-V - ACCC8E0A1B2C", {"host": "127.0.0.1"}),
        ("display_pjlink", "127.0.0.1 (00:80:92:ab:cd:01)"): ("display", "", "", {"host": "127.0.0.1"}),
    }  # fmt: skip
    for key, told in wanted.items():
        device = found[key]
        assert (device.role, device.make, device.model, dict(device.settings)) == told, key
    assert found["ups_nut", f"room@127.0.0.1:{around.ports['3493']}"].serial == "0000000001"
    assert ("pc", "localhost") in found
    for device in found.values():
        msgspec.convert(device.settings, driver_class(device.driver).Settings)


@pytest.mark.timeout(240)
def test_a_camera_that_is_not_ours_is_found_when_it_is_asked(processes: Processes, tmp_path: Path) -> None:
    need(importlib.util.find_spec("ipycam"), "ipycam")
    need(shutil.which("ffmpeg"), "ffmpeg")
    port = free_port()
    settings = start_camera(processes, tmp_path / "camera", port)
    closed = {str(port): free_of_listeners() for port in (10023, 10024, 3493, 5353, 4352)}
    area = msgspec.convert(LOOPBACK | {"ports": closed | {"3702": port}}, Area)

    def seen() -> list[FoundDevice]:
        return [device for device in discover(area) if device.driver == "camera_onvif"]

    (camera,) = wait_for(seen, 40, (tmp_path / "camera.log").read_text()[-500:])
    assert camera.settings["host"] == "127.0.0.1"
    assert camera.settings["port"] == settings["port"]
    assert (camera.role, bool(camera.make)) == ("camera", True)


def test_a_sound_card_is_found_by_its_usb_parent(tmp_path: Path) -> None:
    need(UMOCKDEV, "umockdev")
    devices = (
        "P: /devices/pci0/usb1/1-2\nN: bus/usb/001/002\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\n"
        "A: manufacturer=Jabra\\n\nA: product=SPEAK 510 USB\\n\nA: serial=50C2ED\\n\n\n"
        "P: /devices/pci0/usb1/1-2/1-2:1.0/sound/card1\nE: SUBSYSTEM=sound\n\n"
        "P: /devices/pci0/usb1/1-2/1-2:1.0/sound/card1/controlC1\nE: SUBSYSTEM=sound\n\n"
        "P: /devices/pci0/0000:00:1f.3/sound/card0\nE: SUBSYSTEM=sound\n\n"
    )
    code = (
        "import json, msgspec\nfrom device_drivers.area import Area\n"
        "from device_drivers.audio_alsa.discover import discover\n"
        "print(json.dumps([msgspec.to_builtins(found) for found in discover(Area())]))"
    )
    (card,) = told_with(devices, tmp_path, code)
    assert (card["address"], card["make"], card["model"]) == ("card1", "Jabra", "SPEAK 510 USB")
    assert (card["serial"], card["settings"]["speaker"]) == ("50C2ED", "SPEAK 510 USB")


# Not found


NOISE = [b"", b"\0" * 3_000, b"%2ACKN=hello\r", b"%1POWR=OK\r", b"/info", b"/info\0\0\0,ssss\0\0\0", os.urandom(500)]


def test_noise_is_nobody(responders: Any) -> None:
    ports = {str(port): responders(lambda _: NOISE).port for port in (10023, 10024, 3702, 5353, 4352)}
    area = msgspec.convert(LOOPBACK | {"ports": ports | {"3493": free_of_listeners()}}, Area)
    drivers = {device.driver for device in discover(area)}
    assert not drivers & {"mixer_osc", "camera_onvif", "display_pjlink", "ups_nut"}


@given(st.ip_addresses(v=4).filter(lambda address: address.is_global) | st.text())
def test_who_is_not_of_the_house_was_not_asked(address: object) -> None:
    assert not Area().at_home(str(address)) or str(address).startswith(("10.", "127.", "169.254.", "172.", "192."))


def test_an_answer_from_elsewhere_is_not_heard() -> None:
    """In a network of its own, which has an address of the outside and no way to it."""
    need(os.geteuid() == 0 and shutil.which("unshare") and shutil.which("ip"), "root with unshare and ip")
    code = (
        "import socket, threading\nfrom device_drivers.area import Area, ask_everybody\n"
        "home, away = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))\n"
        "home.bind(('127.0.0.1', 5555)); away.bind(('9.9.9.9', 5555))\n"
        "def answer():\n"
        "    _, sender = home.recvfrom(100)\n"
        "    away.sendto(b'from elsewhere', sender); home.sendto(b'from the house', sender)\n"
        "threading.Thread(target=answer, daemon=True).start()\n"
        "area = Area(broadcast=('127.0.0.1',), multicast=False, wait_s=1, ports={'1': 5555})\n"
        "print(list(ask_everybody(area, b'who?', 1)))\n"
    )
    setup = 'ip link set lo up && ip address add 9.9.9.9/32 dev lo && exec "$0" -c "$1"'
    ran = subprocess.run(
        ["unshare", "--net", "sh", "-c", setup, sys.executable, code], capture_output=True, text=True, timeout=30,
        check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    need("unshare" not in ran.stderr, "a network namespace (root)")
    assert ran.stdout.strip() == "[(b'from the house', '127.0.0.1')]", ran.stderr


ROOM = RoomConfig("var", (DeviceConfig("pc-1", "pc", "pc"),))
WORDS = st.sampled_from(
    ["<d:XAddrs>", "</d:XAddrs>", "<XAddrs a='", "<d:Scopes>", "</d:Scopes>", "http://h:99999/", "https://[::1", "<",
     "onvif://www.onvif.org/name/", "onvif://www.onvif.org/hardware/", "%00%1b[2J%7f%f0", "http://a/\x7f\"\\", " ",
     ">", "\n"]
)  # fmt: skip


@given(
    st.binary(max_size=400)
    | st.lists(WORDS | st.text(max_size=8)).map(lambda words: "".join(words).encode())
    | st.tuples(st.text(max_size=300), st.text(max_size=300)).map(lambda said: probe_match(*said))
)
@example(CAMERA)
@example(b"<" * 65_000)
@example(b"<XAddrs" * 9_000)
@example(b"<XAddrs " + b"a" * 60_000)
@example(b"<a:XAddrs>b<" * 5_000)
def test_whatever_answers_is_a_camera_that_can_be_configured_or_none(answer: bytes) -> None:
    began_s = time.monotonic()
    found = camera_in(answer, "192.168.1.64")
    assert time.monotonic() - began_s < 1, "one datagram must not keep us busy"
    if found is None:
        return
    assert found.settings["host"] == "192.168.1.64", "its address is where it answered from"
    assert msgspec.json.decode(msgspec.json.encode(found), type=FoundDevice) == found
    msgspec.convert(found.settings, driver_class("camera_onvif").Settings)
    written = tomllib.loads(toml_of((found,), ROOM, "vi"))
    assert written["devices"][0]["settings"] == found.settings


QUESTION = dns.message.make_query(AXIS, dns.rdatatype.PTR).to_wire()


@given(st.binary(max_size=300), st.integers(0, 200), st.integers(0, 255))
def test_whatever_multicast_dns_says_is_a_service_or_none(noise: bytes, at: int, byte: int) -> None:
    changed = bytearray(axis_camera(QUESTION))
    changed[at % len(changed)] = byte
    for answer in (noise, QUESTION[:12] + noise, bytes(changed), axis_camera(QUESTION)[:at]):
        assert all(0 <= service.port <= 65_535 for service in named_in(answer, AXIS))


@pytest.mark.parametrize("name", ["AXIS P3245-V - ACCC8E0A1B2C", "Phòng họp. Tầng 2", "x"])
def test_a_service_is_named_as_people_read_it(name: str) -> None:
    (found,) = named_in(axis_camera(QUESTION, name, 8080), AXIS)
    assert (found.instance, found.port) == (name, 8080)
    assert named_in(axis_camera(QUESTION, name), "_http._tcp.local") == []


def test_one_talkative_neighbour_does_not_make_the_room_too_long_to_tell(responders: Any) -> None:
    def crowd(_: bytes) -> list[bytes]:
        name = "onvif://www.onvif.org/name/" + "%F0%9F%93%B7" * 200
        return [probe_match(f"http://h:{port}/{'x' * 300}", name) for port in range(1_000, 1_200)]

    closed = {str(port): free_of_listeners() for port in (10023, 10024, 3493, 5353, 4352)}
    area = msgspec.convert(LOOPBACK | {"ports": closed | {"3702": responders(crowd).port}}, Area)
    found = discover(area)
    assert 5 < len(found) <= 64
    assert len(msgspec.json.encode(found)) < 20_000


# Known already


def camera_found(**changed: Any) -> FoundDevice:
    told = {"make": "Logitech, Inc.", "model": "HD Pro Webcam C920 [046d:082d]", "serial": "5F2A31DF"}
    return FoundDevice("camera_usb", "camera", "/dev/video0", settings={"name": "046d:082d"}, **told | changed)


MIXER = FoundDevice("mixer_osc", "mixer", "10.0.0.5:10023", settings={"host": "10.0.0.5", "family": "x32"})
CAMERA_AT_80 = FoundDevice("camera_onvif", "camera", "10.0.0.8:80", settings={"host": "10.0.0.8"})
CAMERA_AT_8899 = FoundDevice("camera_onvif", "camera", "10.0.0.8:8899", settings={"host": "10.0.0.8", "port": 8899})
DISK = FoundDevice(
    "storage", "storage", "/media/usb", settings={"folder": "/media/usb", "mount": "/media/usb", "device": "/dev/sdb"}
)


@pytest.mark.parametrize(
    ("driver", "settings", "found"),
    [
        ("mixer_osc", {"host": "10.0.0.5", "channels": [3, 4]}, MIXER),
        ("mixer_osc", {"host": "10.0.0.5", "family": "x32", "port": 10023}, MIXER),
        ("camera_usb", {}, camera_found()),
        ("camera_usb", {"name": "046d:082d"}, camera_found()),
        ("camera_usb", {"name": "c920"}, camera_found()),
        ("storage", {"folder": "/media/usb/recordings", "mount": "/media/usb"}, DISK),
        ("pc", {"processes": ["zoom"]}, FoundDevice("pc", "pc", "localhost")),
        ("camera_onvif", {"host": "10.0.0.8", "port": 80, "password": "x"}, CAMERA_AT_80),
    ],
)
def test_what_is_configured_already_is_not_shown_again(
    driver: str, settings: dict[str, Any], found: FoundDevice
) -> None:
    known = DeviceConfig("one", found.role, driver, settings=settings)
    assert unknown_of([found], [known], {}) == ()


@pytest.mark.parametrize(
    ("driver", "settings", "found"),
    [
        ("mixer_osc", {"host": "10.0.0.6"}, MIXER),
        ("mixer_osc", {"host": "10.0.0.5", "family": "xair"}, MIXER),
        ("camera_onvif", {"host": "10.0.0.5"}, MIXER),
        ("camera_onvif", {"host": "10.0.0.8", "port": 8899}, CAMERA_AT_80),
        ("camera_onvif", {"host": "10.0.0.8"}, CAMERA_AT_8899),
        ("camera_usb", {"name": "Rapoo"}, camera_found()),
        ("camera_usb", {"name": "c920", "host": "10.0.0.7"}, camera_found()),
        ("storage", {"folder": "/media/usb2", "mount": "/media/usb2"}, DISK),
    ],
)
def test_another_device_is_shown_when_one_like_it_is_configured(
    driver: str, settings: dict[str, Any], found: FoundDevice
) -> None:
    known = DeviceConfig("one", found.role, driver, settings=settings)
    assert unknown_of([found], [known], {}) == (found,)


def test_a_device_is_known_by_its_serial_number_when_its_settings_do_not_tell() -> None:
    view = SimpleNamespace(observation=SimpleNamespace(identity=SimpleNamespace(serial="5F2A31DF")))
    known = DeviceConfig("camera-1", "camera", "camera_usb", settings={"node": "/dev/video0", "name": "PTZ"})
    worker: Any = SimpleNamespace(device=known, view=lambda: view)
    assert unknown_of([camera_found()], [], {"camera-1": worker}) == ()
    other = camera_found(serial="0000AAAA")
    assert unknown_of([other], [], {"camera-1": worker}) == (other,)


# The command


def room_toml(around: Surroundings, folder: Path) -> Path:
    file = folder / "room.toml"
    ports = ", ".join(f'"{port}" = {there}' for port, there in around.ports.items())
    file.write_text(
        "# Phòng tiếp dân, do anh Nam lắp\n"
        'folder = "var"\n\n'
        f'[discovery]\nevery_s = 3600\narea = {{ broadcast = ["127.0.0.1"], multicast = false, wait_s = 1, '
        f"ports = {{ {ports} }} }}\n\n"
        '[[devices]]\nid = "pc-1"\nrole = "pc"\ndriver = "pc"\n\n'
        '[[devices]]\nid = "mixer-1"\nrole = "mixer"\ndriver = "mixer_osc"\n'
        f'settings = {{ host = "127.0.0.1", port = {around.ports["10023"]} }}\n\n'
        '[[devices]]\nid = "camera-1"\nrole = "camera"\ndriver = "camera_onvif"\n'
        "[devices.settings]\n"
        f'host = "127.0.0.1"\nport = 8899\npath = "/onvif/service"\nusername = "admin"\npassword = "{PASSWORD}"\n'
        "# the last line is a remark",
        encoding="utf-8",
    )
    file.chmod(0o600)
    return file


def run_discover(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "edge_agent.cli", "--lang", "en", "discover", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parents[2]
    )


def test_what_was_found_is_written_behind_what_was_there(around: Surroundings, tmp_path: Path) -> None:
    file = room_toml(around, tmp_path)
    before = file.read_text(encoding="utf-8")
    ran = run_discover("--config", str(file), "--write")
    assert ran.returncode == 0, ran.stderr
    after = file.read_text(encoding="utf-8")
    assert after.startswith(before)
    room = load(file)
    assert [device.id for device in room.devices[:3]] == ["pc-1", "mixer-1", "camera-1"]
    new = {device.id: device for device in room.devices[3:]}
    assert {"mixer-2", "camera-2", "ups-1", "display-1"} <= set(new)
    assert new["mixer-2"].settings == {"host": "127.0.0.1", "family": "xair", "port": around.ports["10024"]}
    assert new["camera-2"].settings == {"host": "127.0.0.1"}
    assert new["ups-1"].settings == {"ups": "room", "port": around.ports["3493"]}
    assert "# password = …" in after[len(before) :], "what nobody can find out is left to be filled in"
    assert "XR18" in ran.stdout and "display_pjlink" in ran.stdout
    assert f"{len(new)} devices written" in ran.stdout
    assert file.stat().st_mode & 0o777 == 0o600, "it holds passwords"
    assert [path.name for path in tmp_path.glob("room.*")] == ["room.toml"]
    again = run_discover("--config", str(file), "--write")
    assert (again.returncode, file.read_text(encoding="utf-8")) == (1, after), again.stdout


def test_no_credential_goes_out_when_everybody_is_asked(around: Surroundings, tmp_path: Path) -> None:
    ran = run_discover("--config", str(room_toml(around, tmp_path)))
    assert ran.returncode == 0, ran.stderr
    received = around.received()
    assert all(word in received for word in (b"/info", b"%2SRCH", b"Probe", b"LIST UPS", b"_axis-video")), received
    pair = f"admin:{PASSWORD}".encode()
    for secret in (PASSWORD.encode(), base64.b64encode(pair), base64.b64encode(PASSWORD.encode()), b"38-14797"):
        assert secret not in received
    assert not any(word in received for word in (b"USERNAME", b"PASSWORD", b"Authorization", b"UsernameToken"))
    assert PASSWORD not in ran.stdout + ran.stderr


def test_nothing_is_written_when_nobody_asks_for_it(around: Surroundings, tmp_path: Path) -> None:
    file = room_toml(around, tmp_path)
    before = file.read_bytes()
    assert run_discover("--config", str(file)).returncode == 0
    assert file.read_bytes() == before
    assert run_discover("--write").returncode == 2, "there is nothing to write to"


def test_a_file_is_left_as_it_was_when_it_would_be_wrong_afterwards(around: Surroundings, tmp_path: Path) -> None:
    file = tmp_path / "room.toml"
    ports = ", ".join(f'"{port}" = {there}' for port, there in around.ports.items())
    file.write_text(
        'folder = "var"\n'
        'devices = [ { id = "pc-1", role = "pc", driver = "pc" } ]\n'
        f'discovery = {{ area = {{ broadcast = ["127.0.0.1"], multicast = false, wait_s = 1, ports = {{ {ports} }} }} '
        "}\n"
    )
    before = file.read_bytes()
    ran = run_discover("--config", str(file), "--write")
    assert (ran.returncode, file.read_bytes()) == (2, before), ran.stdout
    assert "nothing was changed" in ran.stderr
    assert [path.name for path in tmp_path.glob("room.*")] == ["room.toml"]


def test_a_link_to_the_file_stays_one_when_it_is_written(around: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = room_toml(around, tmp_path / "etc")
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    assert run_discover("--config", str(link), "--write").returncode == 0
    assert link.is_symlink()
    assert len(load(file).devices) > 3


def test_what_a_device_calls_itself_cannot_steer_the_terminal(responders: Any, tmp_path: Path) -> None:
    evil = probe_match("http://h:81/", "onvif://www.onvif.org/name/a%1b%5d0;owned%07%0d%0ab")
    ports = {str(port): free_of_listeners() for port in (10023, 10024, 3493, 5353, 4352)}
    file = tmp_path / "room.toml"
    area = LOOPBACK | {"ports": ports | {"3702": responders(lambda _: [evil]).port}}
    shown = ", ".join(f"{key} = {json.dumps(value)}" for key, value in area.items() if key != "ports")
    translated = ", ".join(f'"{port}" = {there}' for port, there in area["ports"].items())
    file.write_text(
        'folder = "var"\n'
        f"discovery = {{ area = {{ {shown}, ports = {{ {translated} }} }} }}\n"
        '[[devices]]\nid = "pc-1"\nrole = "pc"\ndriver = "pc"\n'
    )
    ran = run_discover("--config", str(file))
    line = next(line for line in ran.stdout.splitlines() if "127.0.0.1:81" in line)
    assert "a?]0;owned???b" in line
    assert "\x1b" not in ran.stdout
