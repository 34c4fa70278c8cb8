"""Sound through ALSA alone, where no sound server runs: amixer and arecord."""

import re

from device_drivers.audio_alsa.facts import End, SoundFacts, Target
from device_drivers.audio_alsa.level import RATE
from device_drivers.programs import said_by

_SWITCH = re.compile(r"\[(on|off)\]")
_VOLUME = re.compile(r"\[(\d{1,3})%\]")


class Alsa:
    """A card by ALSA's name for it (`hw:1`, `default`), and its controls (`amixer scontrols` lists them)."""

    def __init__(self, card: str, pcm: str, microphone: str, speaker: str, timeout_s: float) -> None:
        self._card, self._pcm, self._timeout_s = card, pcm, timeout_s
        self._controls: dict[Target, str] = {"microphone": microphone, "speaker": speaker}

    def facts(self) -> SoundFacts:
        """A card or control that amixer cannot open is not there. Raises NotAnswering, Misconfigured."""
        return SoundFacts(microphone=self._end("microphone"), speaker=self._end("speaker"))

    def capture_command(self) -> list[str]:
        """arecord from the PCM."""
        return ["arecord", "-q", "-D", self._pcm, "-t", "raw", "-f", "S16_LE", "-r", str(RATE), "-c", "1"]

    def unmute(self, target: Target) -> None:
        """amixer sset … cap, or unmute."""
        on = "cap" if target == "microphone" else "unmute"
        said_by(["amixer", "-q", "-D", self._card, "sset", self._controls[target], on], self._timeout_s)

    def _end(self, target: Target) -> End:
        said = said_by(["amixer", "-D", self._card, "sget", self._controls[target]], self._timeout_s)
        return End(present=False) if said is None else end_of(said, f"{self._card} {self._controls[target]}", target)


def end_of(said: str, name: str, target: Target = "microphone") -> End:
    """What `amixer sget` says: muted when any channel's switch is off, as loud as its loudest channel.

    A control of a USB microphone often has both ways in one line; that of the other way says nothing of this end.
    """
    own, other = ("Capture", "Playback") if target == "microphone" else ("Playback", "Capture")
    is_told_apart = re.search(rf"^.*: .*{own} \d", said, re.M) is not None
    part = re.compile(rf"{own} (\d.*?)(?={other} \d|$)", re.M)
    lines = part.findall(said) if is_told_apart else [said]
    switches = [found for line in lines for found in _SWITCH.findall(line)]
    volumes = [min(200.0, float(found)) for line in lines for found in _VOLUME.findall(line)]
    return End(
        present=True,
        muted="off" in switches if switches else None,
        volume=max(volumes, default=None),
        name=name[:120],
    )
