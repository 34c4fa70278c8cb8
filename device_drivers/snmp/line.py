"""One talk with an SNMP agent: puresnmp's client over a socket of ours, with deadlines."""

import asyncio
import socket
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from puresnmp import V2C, V3, Client
from puresnmp import ObjectIdentifier as Oid
from puresnmp.exc import ErrorResponse, GenErr, MissingPlugin, NoSuchOID, NotInTimeWindow, SnmpError, Timeout
from x690.exc import X690Error
from x690.types import Integer

from device_drivers.errors import ActFailed, BadAnswer, Misconfigured, NotAnswering, WrongClock, WrongCredentials
from device_drivers.snmp.ber import is_sound

_TRIES = 4
_MOST_BYTES = 65_536
_MOST_ROWS = 512
AT_ONCE = 20
"""So many objects in one request; rows of a table come half as many at once."""
_ASTRAY = (
    X690Error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
)
"""puresnmp and x690 walk through what they decode without looking, so that garbage shows as any of these."""


class Line:
    """Questions to one agent; all of them together end within `timeout_s`."""

    def __init__(self, host: str, port: int, credentials: V2C | V3, timeout_s: float, at_once: int = AT_ONCE) -> None:
        """`at_once`: objects in one request; with 1 each is asked for alone, and one that fails is not there."""
        self.where = f"SNMP {host}:{port}"
        self._at_once = at_once
        self._until_s = time.monotonic() + timeout_s
        self._timeout_s = timeout_s
        with self._errors():
            self._client = Client(host, credentials, port, sender=self._send)

    def get(self, names: Sequence[str]) -> dict[str, object]:
        """Values by name; None for an object that the agent does not have."""

        async def ask() -> dict[str, object]:
            found: dict[str, object] = {}
            for at in range(0, len(names), self._at_once):
                part = names[at : at + self._at_once]
                try:
                    values = await self._client.multiget([Oid(name) for name in part])
                except (NoSuchOID, GenErr):
                    if len(part) > 1:
                        raise
                    found[part[0]] = None
                    continue
                found |= {name: _plain(value) for name, value in zip(part, values, strict=True)}
            return found

        found: dict[str, object] = self._run(ask())
        return found

    def columns(self, names: Sequence[str]) -> dict[str, object]:
        """Every row of some columns of a table, by full name; bounded."""

        async def ask() -> dict[str, object]:
            found: dict[str, object] = {}
            alone = self._at_once == 1
            for part in [[name] for name in names] if alone else [names]:
                rows = self._client.bulkwalk([Oid(name) for name in part], bulk_size=1 if alone else AT_ONCE // 2)
                async for bind in rows:
                    found[str(bind.oid).lstrip(".")] = _plain(bind.value)
                    if len(found) >= _MOST_ROWS:
                        return found
            return found

        found: dict[str, object] = self._run(ask())
        return found

    def set(self, name: str, value: int) -> None:
        """Set an integer object. Raises ActFailed where the agent refuses."""
        try:
            self._run(self._client.set(Oid(name), Integer(value)))
        except ErrorResponse as error:
            raise ActFailed("refused_by_device", said=type(error).__name__) from error

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        with self._errors():
            return asyncio.run(work)

    async def _send(self, endpoint: Any, packet: bytes, timeout: int = 0, loop: Any = None, retries: int = 0) -> bytes:
        """Blocks: there is one talk in this loop. A fresh socket hears no late answer of an earlier question."""
        address = (str(endpoint.ip), endpoint.port)
        with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as talk:
            talk.connect(address)
            while (left_s := self._until_s - time.monotonic()) > 0:
                talk.settimeout(min(left_s, self._timeout_s / _TRIES))
                talk.send(packet)
                try:
                    answer = talk.recv(_MOST_BYTES)
                except TimeoutError:
                    continue
                if not is_sound(answer):
                    raise ValueError("its lengths do not fit")
                return answer
        raise Timeout("no answer in time")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (ErrorResponse, ActFailed):
            raise
        except Timeout as error:
            raise NotAnswering(f"{self.where}: no answer; down, or another community or user") from error
        except OSError as error:
            raise NotAnswering(f"{self.where}: nobody answers there ({error.strerror or error})") from error
        except MissingPlugin as error:
            raise Misconfigured(f"{self.where}: {error}") from error
        except NotInTimeWindow as error:
            raise WrongClock(f"{self.where}: its SNMPv3 engine time is off") from error
        except SnmpError as error:
            if any(word in str(error).lower() for word in ("user", "digest", "auth", "decrypt")):
                raise WrongCredentials(f"{self.where}: user or passphrase is refused") from error
            raise BadAnswer(f"{self.where}: {type(error).__name__}: {str(error)[:80]}") from error
        except _ASTRAY as error:
            raise BadAnswer(f"{self.where}: not SNMP: {str(error)[:80]!r}") from error
        except RuntimeError as error:
            # A decoder that ran off the end of what it read, inside a coroutine (PEP 479).
            if not isinstance(error.__cause__, StopIteration):
                raise
            raise BadAnswer(f"{self.where}: not SNMP: it ends too early") from error


def _plain(value: Any) -> object:
    plain = value.pythonize()
    return int(plain / timedelta(milliseconds=10)) if isinstance(plain, timedelta) else plain
