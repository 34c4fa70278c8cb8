"""A PC that tells of its sound on a socket."""

import msgspec

from device_drivers.audio_alsa.facts import End, SoundFacts
from device_drivers.equipment import FactsEquipment


class SimulatedSound(FactsEquipment):
    """Change an end with `microphone` or `speaker`: `sound.microphone(muted=True)`."""

    facts: SoundFacts

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.facts = SoundFacts(
            microphone=End(present=True, is_default=True, muted=False, volume=72.0, name="Jabra Speak 750 Mono"),
            speaker=End(present=True, is_default=True, muted=False, volume=65.0, name="Jabra Speak 750 Stereo"),
        )

    def microphone(self, **changed: object) -> None:
        """Somebody turns or pulls the microphone."""
        self.change(microphone=msgspec.structs.replace(self.facts.microphone, **changed))

    def speaker(self, **changed: object) -> None:
        """Somebody turns or pulls the speaker."""
        self.change(speaker=msgspec.structs.replace(self.facts.speaker, **changed))


SIMULATOR = SimulatedSound
