"""A room that is only words on the wire, whose devices offer what their drivers can do; it hears what it is told."""

from msgspec.structs import replace

from device_drivers.registry import description_of
from tests.counterparts.identity import PUBLIC
from tests.counterparts.spoken_room import SpokenRoom
from wire.codec import decode, revision_of
from wire.messages import About, Command
from wire.signing import PinnedKeys
from wire.topics import Told, topic_of

_KEYS = PinnedKeys(PUBLIC)


class AbleRoom(SpokenRoom):
    """`told` holds the commands that have come, each copy of them."""

    def __init__(self, site: str, broker_port: int) -> None:
        super().__init__(site, broker_port)
        self.told: list[Command] = []
        self._client.on_message = self._hear
        self._client.subscribe(topic_of(site, Told.COMMAND), qos=1)
        self.offer()

    def offer(self, *without: str) -> About:
        """Say anew what the room consists of, but for these devices; it is reported on from now on."""
        devices = tuple(
            replace(device, actions=description_of(device.driver).actions)
            for device in self.about.devices
            if device.id not in without
        )
        self.about = About(revision_of((devices, self.about.readings)), devices, self.about.readings)
        self.say(self.about)
        return self.about

    def _hear(self, _client: object, _data: object, message: object) -> None:
        payload = bytes(message.payload)  # type: ignore[attr-defined]
        found = decode(Told.COMMAND, _KEYS.open(Told.COMMAND, payload))
        assert isinstance(found, Command)
        self.told.append(found)
