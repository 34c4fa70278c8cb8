"""What can befall a simulated room, and how each is put right."""

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from demo.room import SimulatedRoom


class Fault(Struct, frozen=True):
    """`begin` makes it happen, `mend` puts it right; both run on the equipment's loop."""

    begin: Callable[[SimulatedRoom], Awaitable[None] | None]
    mend: Callable[[SimulatedRoom], Awaitable[None] | None]


FAULTS: Mapping[str, Fault] = {
    "mains_lost": Fault(
        lambda room: room.ups.cut_mains(4_500), lambda room: room.ups.restore_mains(room.full_runtime_s)
    ),
    "camera_frozen": Fault(
        lambda room: setattr(room.camera, "frozen", True), lambda room: setattr(room.camera, "frozen", False)
    ),
    "line_down": Fault(lambda room: room.line.unplug(), lambda room: room.line.plug_in()),
    "disk_full": Fault(
        lambda room: room.disk.change(space_free=1.5e9), lambda room: room.disk.change(space_free=room.empty_disk)
    ),
    "software_closed": Fault(
        lambda room: room.pc.change(conference_running=False), lambda room: room.pc.change(conference_running=True)
    ),
    "mic_muted": Fault(lambda room: room.mixer.mute(1), lambda room: room.mixer.unmute(1)),
    "display_off": Fault(lambda room: room.display.switch(False), lambda room: room.display.switch(True)),
    "mic_pulled": Fault(
        lambda room: room.sound.microphone(present=False, is_default=None, muted=None, volume=None),
        lambda room: room.sound.microphone(present=True, is_default=True, muted=False, volume=70.0),
    ),
    "lights_out": Fault(lambda room: room.lights(False), lambda room: room.lights(True)),
    "line_lossy": Fault(lambda room: setattr(room.probe, "loss", 0.35), lambda room: setattr(room.probe, "loss", 0.0)),
    "battery_worn": Fault(
        lambda room: room.ups.variables.update({"ups.status": "OL RB"}),
        lambda room: room.ups.variables.update({"ups.status": "OL CHRG"}),
    ),
    "picture_still": Fault(
        lambda room: setattr(room.camera, "picture", "still"), lambda room: setattr(room.camera, "picture", "lit")
    ),
}
"""Name -> fault, in the order in which the demo tells them."""


async def play(room: SimulatedRoom, name: str, on: bool) -> None:
    """Let a fault begin, or mend it."""
    fault = FAULTS[name]
    done = (fault.begin if on else fault.mend)(room)
    if done is not None:
        await done
