"""Sound against a real PulseAudio with a sink that nobody hears, and against ALSA playing a tone of known level."""

import math
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.processes import Processes
from device_drivers.audio_alsa import alsa, pulse
from device_drivers.audio_alsa.driver import AudioAlsa
from device_drivers.audio_alsa.level import RATE, SILENCE_DBFS, level_of, measure
from device_drivers.errors import ActFailed, BadAnswer, Misconfigured, NotAnswering
from device_drivers.programs import said_by
from tests.conftest import need
from tests.counterparts.waiting import wait_for
from wire.times import SystemClock

PULSEAUDIO, ARECORD, PACTL = Path("/usr/bin/pulseaudio"), Path("/usr/bin/arecord"), Path("/usr/bin/pactl")
MINUS_20_DB = 0.1


def sine(seconds: float, amplitude: float = MINUS_20_DB, rate: int = RATE) -> bytes:
    moments = range(int(rate * seconds))
    samples = [round(32_767 * amplitude * math.sin(2 * math.pi * 1_000 * at / rate)) for at in moments]
    return struct.pack(f"<{len(samples)}h", *samples)


def sound_of(**settings: Any) -> AudioAlsa:
    return AudioAlsa(msgspec.convert(settings, AudioAlsa.Settings), SystemClock())


def done(sound: AudioAlsa, action: str, **params: Any) -> dict[str, Any]:
    return dict(sound.act(action, params, lambda *_, **__: None))


@pytest.fixture
def server(processes: Processes, tmp_path: Path) -> Iterator[str]:
    """A sound server of our own; its address."""
    need(PULSEAUDIO if PULSEAUDIO.exists() else None, "pulseaudio")
    need(PACTL if PACTL.exists() else None, "pulseaudio-utils")
    address = f"unix:{tmp_path}/sound"
    protocol = f"module-native-protocol-unix socket={tmp_path}/sound auth-anonymous=1"
    command = [str(PULSEAUDIO), "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
    for module in (protocol, f"module-null-sink sink_name=mix rate={RATE} channels=1"):
        command += ["-L", module]
    home = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
    processes.start("pulseaudio", command, env=home)
    wait_for(lambda: (tmp_path / "sound").exists(), 10, "pulseaudio does not come up")
    yield address


@pytest.fixture
def pactl(server: str) -> Callable[..., None]:
    def run(*words: str) -> None:
        subprocess.run(["pactl", *words], env=os.environ | {"PULSE_SERVER": server}, check=True, timeout=10)

    return run


def test_both_ends_tell_presence_mute_and_volume(server: str, pactl: Callable[..., None]) -> None:
    sound = sound_of(server=server, microphone="mix.monitor")
    seen = sound.observe().readings
    assert (seen["mic_present"], seen["mic_is_default"], seen["mic_muted"]) == (True, True, False)
    assert (seen["speaker_present"], seen["speaker_volume"]) == (True, 100)
    pactl("set-sink-volume", "mix", "35%")
    pactl("set-source-mute", "mix.monitor", "1")
    seen = sound.observe().readings
    assert (seen["mic_muted"], seen["speaker_volume"]) == (True, 35)
    done(sound, "unmute", target="microphone")
    assert sound.observe().readings["mic_muted"] is False


def test_a_monitor_is_no_microphone_and_a_missing_one_is_told(server: str) -> None:
    seen = sound_of(server=server).observe().readings
    assert (seen["mic_present"], seen["mic_muted"]) == (False, None)
    assert sound_of(server=server, microphone="Jabra").observe().readings["mic_present"] is False
    with pytest.raises(ActFailed, match="not_there"):
        done(sound_of(server=server, microphone="Jabra"), "measure_level")


def test_the_level_is_that_of_what_is_played(server: str, processes: Processes, tmp_path: Path) -> None:
    sound = sound_of(server=server, microphone="mix.monitor")
    assert done(sound, "measure_level") == {"peak_dbfs": SILENCE_DBFS, "rms_dbfs": SILENCE_DBFS}
    tone = tmp_path / "tone.raw"
    tone.write_bytes(sine(12))
    player = ["pacat", f"--server={server}", "--raw", "--format=s16le", f"--rate={RATE}", "--channels=1"]
    processes.start("pacat", [*player, "--device=mix", str(tone)])
    wait_for(lambda: done(sound, "measure_level")["peak_dbfs"] > -21, 20, "the tone is not heard")
    heard = done(sound, "measure_level")
    assert heard["peak_dbfs"] == pytest.approx(-20, abs=0.5)
    assert heard["rms_dbfs"] == pytest.approx(-23, abs=0.5)


def test_a_sound_server_that_is_not_there_is_not_answering(tmp_path: Path) -> None:
    need(PACTL if PACTL.exists() else None, "pulseaudio-utils")
    with pytest.raises(NotAnswering):
        sound_of(server=f"unix:{tmp_path}/nobody").observe()


def test_alsa_alone_is_measured_exactly(tmp_path: Path) -> None:
    need(ARECORD if ARECORD.exists() else None, "alsa-utils")
    (tmp_path / "tone.raw").write_bytes(sine(3))
    (tmp_path / "asound.conf").write_text(
        "</usr/share/alsa/alsa.conf>\n"
        f"pcm.tone {{ type file; slave.pcm null; file /dev/null; infile {tmp_path}/tone.raw; format raw }}\n"
        "pcm.mic { type plug; slave.pcm tone }\n"
        "pcm.dead { type plug; slave.pcm silence }\n"
        "pcm.silence { type file; slave.pcm null; file /dev/null; infile /dev/zero; format raw }\n"
    )
    environment = os.environ | {"ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")}

    def level_at(pcm: str) -> Any:
        return measure(alsa.Alsa("default", pcm, "Capture", "Master", 2).capture_command(), environment)

    heard = level_at("mic")
    assert (heard.peak_dbfs, heard.rms_dbfs) == (pytest.approx(-20, abs=0.1), pytest.approx(-23.01, abs=0.1))
    assert level_at("dead").peak_dbfs == SILENCE_DBFS
    with pytest.raises(ActFailed, match="cannot_listen"):
        level_at("hw:9")


def test_a_card_that_amixer_cannot_open_is_not_there() -> None:
    need(ARECORD if ARECORD.exists() else None, "alsa-utils")
    seen = sound_of(system="alsa", card="hw:9").observe().readings
    assert (seen["mic_present"], seen["speaker_present"], seen["mic_volume"]) == (False, False, None)


def test_amixer_as_it_speaks() -> None:
    said = """Simple mixer control 'Capture',0
  Capabilities: cvolume cswitch
  Capture channels: Front Left - Front Right
  Limits: Capture 0 - 63
  Front Left: Capture 40 [63%] [15.00dB] [on]
  Front Right: Capture 20 [32%] [5.00dB] [off]
"""
    found = alsa.end_of(said, "hw:1 Capture")
    assert (found.present, found.muted, found.volume) == (True, True, 63)
    both_ways = "  Mono: Playback 19 [61%] [-4.00dB] [off] Capture 22 [63%] [10.00dB] [on]"  # of a USB microphone
    microphone, speaker = (alsa.end_of(both_ways, "x", target) for target in ("microphone", "speaker"))
    assert (microphone.muted, microphone.volume) == (False, 63), "what comes out of it says nothing of what goes in"
    assert (speaker.muted, speaker.volume) == (True, 61)
    only_volume = alsa.end_of("  Mono: Playback 64 [100%] [0.00dB]", "x")
    assert (only_volume.muted, only_volume.volume) == (None, 100)


def test_a_program_that_is_missing_or_hangs_is_told(tmp_path: Path) -> None:
    with pytest.raises(ActFailed, match="cannot_listen"):
        measure(["/nowhere/arecord"], os.environ)
    with pytest.raises(ActFailed, match="cannot_listen"):
        measure(["sleep", "30"], os.environ)
    with pytest.raises(Misconfigured):
        said_by(["/nowhere/pactl"], 1)


@given(st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=400))
def test_a_level_is_within_its_scale(samples: list[int]) -> None:
    found = level_of(struct.pack(f"<{len(samples)}h", *samples))
    assert SILENCE_DBFS <= found.rms_dbfs <= found.peak_dbfs + 0.01 <= 0.01


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "description", "mute", "volume", "x"]), inner, max_size=4)
    ),
)


@given(st.lists(JSON, max_size=4) | JSON, st.none() | st.text(min_size=1, max_size=3))
def test_whatever_pactl_lists_nothing_is_made_up(listed: Any, wanted: str | None) -> None:
    try:
        found = pulse.end_of(listed, wanted, "x")
    except BadAnswer:
        assert not isinstance(listed, list)
        return
    if not found.present:
        assert (found.muted, found.volume, found.is_default) == (None, None, None)


@pytest.mark.parametrize(
    ("properties", "label"),
    [
        ({"device.bus": "usb", "device.vendor.id": "0b0e", "device.product.id": "0420"}, "SPEAK 510 [0b0e:0420]"),
        ({"device.bus": "usb", "device.vendor.id": "0x0B0E", "device.product.id": "0x0420"}, "SPEAK 510 [0b0e:0420]"),
        ({"device.bus": "pci", "device.vendor.id": "8086", "device.product.id": "a170"}, "SPEAK 510"),
        ({"device.bus": "usb"}, "SPEAK 510"),
        (None, "SPEAK 510"),
    ],
)
def test_an_end_is_called_by_its_description_and_usb_id(properties: object, label: str) -> None:
    listed = [{"name": "alsa_input.usb", "description": "SPEAK 510", "mute": False, "properties": properties}]
    assert pulse.end_of(listed, None, "alsa_input.usb").label == label
