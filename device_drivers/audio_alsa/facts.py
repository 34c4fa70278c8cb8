"""What can be known of a PC's sound, before any judgement."""

from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

from device_drivers.far import ask

Percent = Annotated[float, Meta(ge=0, le=200)]
Target = Literal["microphone", "speaker"]


class End(Struct, frozen=True, kw_only=True):
    """A microphone or a speaker; None is "cannot be told"."""

    present: bool | None = None
    is_default: bool | None = None
    muted: bool | None = None
    volume: Percent | None = None
    name: Annotated[str, Meta(max_length=120)] = ""
    """As the sound system calls it."""
    label: Annotated[str, Meta(max_length=120)] = ""
    """As people call it, with its USB id where it has one: `Jabra SPEAK 510 USB Mono [0b0e:0420]`."""


class SoundFacts(Struct, frozen=True, kw_only=True):
    """Both ends."""

    microphone: End
    speaker: End


class Sound(Protocol):
    """Where facts come from, and what can be done there."""

    def facts(self) -> SoundFacts:
        """The facts of now. Raises DriverError."""
        ...


class OwnSound(Sound, Protocol):
    """Sound of this computer."""

    def capture_command(self) -> list[str]:
        """A program that writes raw sound of the microphone to its standard output, as `level` wants it."""
        ...

    def unmute(self, target: Target) -> None:
        """Take the mute off; whether it is off is asked afterwards. Raises DriverError."""
        ...


class FarSound:
    """Sound of the PC beside the agent's own box."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._address, self._timeout_s = (host, port), timeout_s

    def facts(self) -> SoundFacts:
        """Ask once. Raises NotAnswering or BadAnswer."""
        return ask(self._address, self._timeout_s, SoundFacts, "sound of")
