"""What can be known of a PC's sound, before any judgement."""

from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

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
