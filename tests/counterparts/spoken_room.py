"""A room that is only words on the wire: exact messages at exact moments, where an agent would have its own."""

import time
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from device_drivers.registry import description_of
from wire.codec import encode, revision_of
from wire.ids import uuid7
from wire.messages import About, DeviceAbout, DeviceReport, Message, Presence, Reading, Report
from wire.topics import topic_of

HEALTHY: dict[str, dict[str, Any]] = {
    "pc": {
        "cpu": 10.0, "memory": 40.0, "disk_free": 4e11, "disk_used": 20.0, "temperature": 45.0, "uptime": 9e4,
        "clock_offset": 0.0, "link_up": True, "link_speed": 1000.0, "conference_running": True,
        "usb_camera": True, "usb_audio": True, "external_disk": True,
    },
    "camera_onvif": {
        "clock_skew": 0.2, "profiles": 2.0, "width": 1920.0, "height": 1080.0, "stream": "rtsp://192.0.2.1/main",
        "ntp_server": "192.0.2.123",
        "frame": True, "brightness": 48.0, "contrast": 40.0, "frame_unchanged": 0.0,
    },
    "camera_usb": {
        "present": True, "in_use": True, "held_by": "zoom", "formats": "YUYV, MJPG", "width": 1920.0, "height": 1080.0,
    },
    "mixer_osc": {
        "main_muted": False, "main_fader": -6.0, "mic_muted": False, "mic_fader": -3.0, "muted_channels": "",
        "input_level": -32.0, "scene": 3.0,
    },
    "display_pjlink": {
        "power": "on", "input": "31", "input_name": "HDMI1", "input_right": True, "picture_muted": False,
        "sound_muted": False, "lamp_hours": 800.0, "lamp_fault": "ok", "temperature_fault": "ok", "fan_fault": "ok",
        "cover_fault": "ok", "filter_fault": "ok", "other_fault": "ok",
    },
    "audio_alsa": {
        "mic_present": True, "mic_is_default": True, "mic_muted": False, "mic_volume": 70.0, "speaker_present": True,
        "speaker_is_default": True, "speaker_muted": False, "speaker_volume": 60.0,
    },
    "storage": {
        "writable": True, "recording_hours": 900.0, "recording_still": 2.0, "recording_grows": True, "recordings": 86.0,
        "smart_healthy": True, "disk_temperature": 38.0,
    },
    "light": {"brightness": 48.0, "lit": True, "switched_on": True},
    "line": {
        "latency": 14.0, "jitter": 1.5, "loss": 0.0, "bandwidth_down": 5.1, "bandwidth_up": 5.0,
        "bandwidth_method": "tcp_1",
    },
    "snmp": {"uptime": 9e5, "system_name": "decoder"},
    "relay_gpio": {"output_1": True, "door_open": False},
    "ups_nut": {
        "power_source": "mains", "battery_charge": 100.0, "battery_runtime": 9e3, "battery_low": False,
        "replace_battery": False, "load": 20.0, "input_voltage": 229.0, "alarm": "", "beeper": "enabled",
        "battery_test": "Done and passed",
    },
}  # fmt: skip
_DEVICES = (
    ("pc-1", "pc", "pc"), ("camera-1", "camera", "camera_onvif"), ("camera-2", "camera", "camera_usb"),
    ("mixer-1", "mixer", "mixer_osc"),
    ("audio-1", "audio", "audio_alsa"), ("display-1", "display", "display_pjlink"),
    ("decoder-1", "decoder", "snmp"), ("relay-1", "relay", "relay_gpio"),
    ("light-1", "light", "light"), ("line-1", "line", "line"),
    ("storage-1", "storage", "storage"), ("ups-1", "ups", "ups_nut"),
)  # fmt: skip


def about_of_room() -> About:
    """A room with the devices that a commune needs."""
    devices = tuple(DeviceAbout(name, role, driver, make="Make", model="Model") for name, role, driver in _DEVICES)  # type: ignore[arg-type]
    readings = {driver: description_of(driver).readings for _, _, driver in _DEVICES}
    return About(revision_of((devices, readings)), devices, readings)


def report_of_room(about: About, boot_id: str, seq: int, age_s: float = 0.0, **changed: Any) -> Report:
    """A healthy room whose evidence is so old, but for the readings that are named."""
    devices = tuple(
        DeviceReport(
            name, "ok", age_s,
            readings=tuple(
                Reading(key, changed.get(key, value), age_s) for key, value in HEALTHY[driver].items()
            ),
        )
        for name, _, driver in _DEVICES
    )  # fmt: skip
    return Report(boot_id, seq, datetime.now(UTC), about.revision, "0" * 16, devices)


class SpokenRoom:
    """A connection that says what the test says, and nothing else."""

    def __init__(self, site: str, broker_port: int) -> None:
        self.site, self.boot_id, self.about = site, uuid7(), about_of_room()
        self._seq = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, site, protocol=paho.MQTTv5)
        self._client.connect("127.0.0.1", broker_port, 60)
        self._client.loop_start()
        self.say(Presence("online", "0", self.boot_id))
        self.say(self.about)

    def say(self, message: Message) -> float:
        """Publish, and wait until the broker has it; the moment."""
        self.say_bytes(topic_of(self.site, message.kind), encode(message))
        return time.time()

    def say_bytes(self, topic: str, payload: bytes) -> None:
        """Publish anything at all."""
        said = self._client.publish(topic, payload, qos=1, retain=False)
        said.wait_for_publish(30)
        assert said.is_published(), f"the broker has not taken {topic}"

    def report(self, age_s: float = 0.0, **changed: Any) -> float:
        """Publish a healthy report with the next number."""
        self._seq += 1
        return self.say(report_of_room(self.about, self.boot_id, self._seq, age_s, **changed))

    def leave(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
