"""The equipment's side of a wire, for demo and tests: what every simulator has, and the loop that they live on.

A simulator answers on a real socket of the loopback interface; the driver cannot tell it from the real thing.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Struct

from device_drivers.driver import Sighting
from device_drivers.loopback import equipment_port

T = TypeVar("T")


class SimulatedEquipment(ABC):
    """One piece of equipment on 127.0.0.1. `frozen` makes it accept and never answer, as a hung device does.

    The port is taken when it is first plugged in, and kept for as long as the object lives.
    """

    transport: ClassVar[Literal["tcp", "udp", "memory"]]
    """How it is spoken to; one in memory can be absent, but neither hang nor talk nonsense."""

    any_answer: ClassVar[bytes | None] = None
    """An answer that begins so is a right one, whatever it says."""

    after_an_act: ClassVar[frozenset[str]] = frozenset()
    """Readings that there are only once an act has taken them."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.frozen = False

    @abstractmethod
    async def plug_in(self) -> None:
        """Start to listen."""

    @abstractmethod
    async def unplug(self) -> None:
        """Disappear: nobody listens, and every open connection breaks."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What a driver must be told to reach it; call it once it is plugged in."""

    def settings_elsewhere(self) -> dict[str, Any] | None:
        """The same for a driver in another process; None where it cannot be reached from there."""
        return self.settings() if self.transport != "memory" else None

    def neighbour(self, device: str, key: str) -> Sighting | None:
        """What the other devices of its room observe, for a driver that rests on them."""
        return None


class StreamEquipment(SimulatedEquipment):
    """Equipment that is spoken to over TCP connections."""

    transport = "tcp"

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def plug_in(self) -> None:
        """Start to listen."""
        if self._server is None:
            self.port = self.port or equipment_port()
            self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)

    async def unplug(self) -> None:
        """Disappear: nobody listens, and every open connection breaks."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for talk in list(self._talks):
            talk.cancel()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            await self.serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the other side has gone, or we have been unplugged
        finally:
            self._talks.discard(task)
            with suppress(OSError, RuntimeError):
                writer.close()

    async def while_frozen(self) -> None:
        """Return only when the equipment is not frozen."""
        while self.frozen:
            await asyncio.sleep(0.02)

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it closes."""


class FactsEquipment(StreamEquipment):
    """A PC that tells a line of facts to everybody who connects; change what it tells by `change`."""

    facts: Struct

    def change(self, **facts: object) -> None:
        """Replace some of the facts."""
        self.facts = msgspec.structs.replace(self.facts, **facts)

    def settings(self) -> dict[str, Any]:
        """Where it is."""
        return {"host": "127.0.0.1", "port": self.port}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One line of facts a connection."""
        await self.while_frozen()
        writer.write(msgspec.json.encode(self.facts) + b"\n")
        await writer.drain()


class DatagramEquipment(SimulatedEquipment):
    """Equipment that is spoken to in datagrams; a frozen one takes them and says nothing."""

    transport = "udp"

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self._line: asyncio.DatagramTransport | None = None

    async def plug_in(self) -> None:
        """Start to listen."""
        if self._line is None:
            self.port = self.port or equipment_port()
            loop = asyncio.get_running_loop()
            self._line, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self._hear), local_addr=("127.0.0.1", self.port)
            )

    async def unplug(self) -> None:
        """Disappear: nobody listens."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def say(self, datagram: bytes, to: tuple[str, int]) -> None:
        """Send one datagram, while plugged in."""
        if self._line is not None:
            self._line.sendto(datagram, to)

    @abstractmethod
    def hear(self, datagram: bytes, sender: tuple[str, int]) -> None:
        """Take one datagram; answers are said with `say`."""

    def _hear(self, datagram: bytes, sender: tuple[str, int]) -> None:
        if not self.frozen:
            self.hear(datagram, sender)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, hear: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One datagram, from asyncio."""
        self._hear(data, addr)


class EquipmentLoop:
    """A thread with an event loop on which any number of simulators live."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="equipment", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Start a coroutine on the loop and do not wait."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """End every coroutine and the thread."""

        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()
