"""Microphone and speakers on the PC."""

from random import Random

from demo.light.device import Kind, Start
from demo.models import SOUNDS
from device_drivers.driver import Identity
from wire.fields import Value


def start(chance: Random) -> Start:
    """A conference set that is plugged in."""
    readings: dict[str, Value] = {
        "mic_present": True, "mic_is_default": True, "mic_muted": False,
        "mic_volume": float(chance.randrange(55, 95)), "speaker_present": True, "speaker_is_default": True,
        "speaker_muted": False, "speaker_volume": float(chance.randrange(45, 90)),
    }  # fmt: skip
    return Start(Identity("pulse", f"{chance.choice(SOUNDS)} Mono"), readings)


KIND = Kind("audio_alsa", start)
