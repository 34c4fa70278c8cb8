"""Sound through PulseAudio, or PipeWire in its place: pactl and its JSON."""

import json
from typing import Any

from device_drivers.audio_alsa.facts import End, SoundFacts, Target
from device_drivers.audio_alsa.level import RATE
from device_drivers.errors import ActFailed, BadAnswer, NotAnswering
from device_drivers.programs import said_by

_KINDS: dict[Target, str] = {"microphone": "source", "speaker": "sink"}


class Pulse:
    """A sound server; the ends are found by a part of their name or description, else the default ones are taken."""

    def __init__(self, server: str | None, microphone: str | None, speaker: str | None, timeout_s: float) -> None:
        self._more = {"PULSE_SERVER": server} if server else {}
        self._wanted: dict[Target, str | None] = {"microphone": microphone, "speaker": speaker}
        self._timeout_s = timeout_s

    def facts(self) -> SoundFacts:
        """Raises NotAnswering or BadAnswer."""
        info = self._ask("info")
        if not isinstance(info, dict):
            raise BadAnswer("pactl info: not an object")
        return SoundFacts(
            microphone=end_of(
                self._ask("list", "sources"), self._wanted["microphone"], info.get("default_source_name")
            ),
            speaker=end_of(self._ask("list", "sinks"), self._wanted["speaker"], info.get("default_sink_name")),
        )

    def capture_command(self) -> list[str]:
        """parec from the microphone."""
        server = [f"--server={self._more['PULSE_SERVER']}"] if self._more else []
        source = self._name("microphone")
        return ["parec", *server, f"--device={source}", "--raw", "--format=s16le", f"--rate={RATE}", "--channels=1",
                "--latency-msec=50"]  # fmt: skip

    def unmute(self, target: Target) -> None:
        """pactl set-…-mute 0."""
        said_by(["pactl", f"set-{_KINDS[target]}-mute", self._name(target), "0"], self._timeout_s, self._more)

    def _name(self, target: Target) -> str:
        found = getattr(self.facts(), target)
        if not found.present:
            raise ActFailed("not_there", target=target)
        return str(found.name)

    def _ask(self, *what: str) -> Any:
        said = said_by(["pactl", "-f", "json", *what], self._timeout_s, self._more)
        if said is None:
            raise NotAnswering("pactl: no sound server answers; is somebody logged in at the room's PC?")
        try:
            return json.loads(said)
        except (ValueError, RecursionError) as error:
            raise BadAnswer(f"pactl: not JSON: {said[:40]!r}") from error


def end_of(listed: Any, wanted: str | None, default: Any) -> End:
    """One end in pactl's list. A monitor hears what the speaker plays, so it is no microphone unless it is named."""
    if not isinstance(listed, list):
        raise BadAnswer("pactl list: not a list")
    for each in listed:
        if not isinstance(each, dict):
            continue
        name, described = str(each.get("name", "")), str(each.get("description", ""))
        is_monitor = name.endswith(".monitor") and wanted != name
        fits = name == default if wanted is None else wanted.lower() in f"{name} {described}".lower()
        if fits and not is_monitor:
            muted = each.get("mute")
            return End(
                present=True,
                is_default=name == default,
                muted=muted if isinstance(muted, bool) else None,
                volume=_loudest(each.get("volume")),
                name=name[:120],
                label=_label(described, each.get("properties")),
            )
    return End(present=False)


def _label(described: str, properties: Any) -> str:
    """The description with the USB id at its end; pactl gives either half with or without `0x`."""
    told = properties if isinstance(properties, dict) else {}
    halves = [str(told.get(f"device.{half}.id", "")).removeprefix("0x") for half in ("vendor", "product")]
    usb = f" [{':'.join(halves).lower()}]" if told.get("device.bus") == "usb" and all(halves) else ""
    return f"{described[:100]}{usb}"[:120]


def _loudest(volume: Any) -> float | None:
    found = []
    for channel in volume.values() if isinstance(volume, dict) else ():
        text = str(channel.get("value_percent", "")) if isinstance(channel, dict) else ""
        if text.endswith("%") and text[:-1].strip().isdigit():
            found.append(min(200.0, float(text[:-1])))
    return max(found, default=None)
