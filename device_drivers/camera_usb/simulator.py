"""A PC that tells of its USB camera on a socket."""

from typing import ClassVar

from device_drivers.camera_usb.facts import CameraFacts
from device_drivers.equipment import FactsEquipment


class SimulatedUsbCamera(FactsEquipment):
    """Change what it is: `camera.change(present=False)`."""

    facts: CameraFacts
    after_an_act: ClassVar = frozenset(("brightness", "contrast"))

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.facts = CameraFacts(
            present=True, make="Logitech, Inc.", model="HD Pro Webcam C920 [046d:082d]", serial="5F2A31DF",
            firmware="0011", in_use=True, held_by="zoom", formats="YUYV, MJPG", width=1920, height=1080,
        )  # fmt: skip


SIMULATOR = SimulatedUsbCamera
