"""The room's end of the wire on an event loop: the agent's own `RoomLink` over an asynchronous session."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from edge_agent.identity import IdentityKeeper
from edge_agent.link import RoomLink
from wire.mqtt import Received
from wire.mqtt_async import AsyncMqttSession


class LightLink(RoomLink):
    """Publishes for one room; `receive` is called on the loop for each message that the room gets."""

    _session: AsyncMqttSession

    def __init__(
        self, keeper: IdentityKeeper, boot_id: str, version: str, connected: Callable[[], None],
        receive: Callable[[Received], None],
    ) -> None:  # fmt: skip
        super().__init__(keeper, boot_id, version, connected, AsyncMqttSession, receive)
        self._session.leaving = self.publish_offline

    async def run_async(self, stop: asyncio.Event, connecting: Executor) -> None:
        """Keep the connection until `stop` is set and `wake` was called; then disconnect in order."""
        await self._session.run_async(stop, connecting)

    def wake(self) -> None:
        """Look at once whether to stop."""
        self._session.wake()

    def cut(self, is_cut: bool) -> None:
        """Break the line without a goodbye, or restore it."""
        self._session.cut(is_cut)
