"""Microphone and speakers: of this computer, or of the PC beside it."""

import os
from typing import Annotated, Literal

from msgspec import Meta, Struct

from device_drivers.audio_alsa.alsa import Alsa
from device_drivers.audio_alsa.facts import End, OwnSound, Sound, SoundFacts, Target
from device_drivers.audio_alsa.level import measure
from device_drivers.audio_alsa.pulse import Pulse
from device_drivers.driver import Driver, Identity, Observation, Progress
from device_drivers.errors import ActFailed, NotOffered
from device_drivers.far import Far
from device_drivers.registry import description_of
from wire.fields import Params, Value
from wire.times import Clock

_Name = Annotated[str, Meta(min_length=1, max_length=120)]


class AudioSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Which sound system, and which of its ends the room uses."""

    system: Literal["pulse", "alsa"] = "pulse"
    """pulse: PulseAudio or PipeWire, as desktops have it; alsa: a PC without a sound server."""
    server: Annotated[str, Meta(pattern=r"^(unix:)?/[!-~]{1,200}$")] | None = None
    """pulse: the socket of the session that uses the sound, such as unix:/run/user/1000/pulse/native."""
    microphone: _Name | None = None
    """pulse: a part of its name, None is the default one. alsa: its control, None is `Capture`."""
    speaker: _Name | None = None
    """The same; with alsa None is `Master`."""
    card: _Name = "default"
    """alsa: the card whose controls these are."""
    pcm: _Name = "default"
    """alsa: what is listened to when the level is measured."""
    host: Annotated[str, Meta(min_length=1, max_length=253)] | None = None
    """Set where the sound is in a PC beside the agent's own box."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 9107
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 3.0


class AudioAlsa(Driver):
    """One microphone and one speaker."""

    Settings = AudioSettings
    settings: AudioSettings

    def __init__(self, settings: AudioSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._own: OwnSound | None = None
        timeout_s = settings.timeout_s
        if settings.host is None and settings.system == "pulse":
            self._own = Pulse(settings.server, settings.microphone, settings.speaker, timeout_s)
        elif settings.host is None:
            microphone, speaker = settings.microphone or "Capture", settings.speaker or "Master"
            self._own = Alsa(settings.card, settings.pcm, microphone, speaker, timeout_s)
        self._sound: Sound = self._own or Far(SoundFacts, "sound of", settings.host or "", settings.port, timeout_s)

    def observe(self) -> Observation:
        """Both ends as readings."""
        facts = self._sound.facts()
        readings: dict[str, Value] = {}
        for prefix, end in (("mic", facts.microphone), ("speaker", facts.speaker)):
            readings[f"{prefix}_present"] = end.present
            readings[f"{prefix}_is_default"] = end.is_default
            readings[f"{prefix}_muted"] = end.muted
            readings[f"{prefix}_volume"] = end.volume
        return Observation(
            seen_s=self.clock.monotonic(),
            readings=readings,
            identity=Identity(make=self.settings.system, model=_called(facts.microphone) or _called(facts.speaker)),
            actions=description_of("audio_alsa").actions if self._own is not None else (),
        )

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Listen for two seconds and tell how loud it was; or take a mute off and see it off."""
        own = self._own
        if own is None:
            raise NotOffered(action)
        if action == "measure_level":
            level = measure(own.capture_command(), os.environ)
            return {"peak_dbfs": level.peak_dbfs, "rms_dbfs": level.rms_dbfs}
        if action != "unmute":
            raise NotOffered(action)
        target: Target = "speaker" if params["target"] == "speaker" else "microphone"
        own.unmute(target)
        progress("handed_over")
        end: End = getattr(own.facts(), target)
        if end.muted is not False:
            raise ActFailed("no_effect_seen")
        return {}


def _called(end: End) -> str:
    return end.label or end.name


DRIVER = AudioAlsa
