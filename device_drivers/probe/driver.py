"""Is somebody there? For what has neither SNMP nor a protocol of its own: a TCP connection, or a page by HTTP."""

import http.client
import socket
import ssl
from typing import Annotated

from msgspec import Meta, Struct

from device_drivers.driver import Driver, Identity, Observation
from device_drivers.errors import BadAnswer, NotAnswering
from wire.fields import Value

_MOST_BYTES = 65_536


class ProbeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What to knock at. Make and model are what the technician read off the case: a probe cannot know them."""

    host: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,253}$")]
    port: Annotated[int, Meta(ge=1, le=65535)]
    path: Annotated[str, Meta(pattern=r"^/[!-~]{0,200}$")] | None = None
    """Of a page to ask for by HTTP; None: a TCP connection is enough."""
    tls: bool = False
    ca_file: Annotated[str, Meta(max_length=255)] | None = None
    make: Annotated[str, Meta(max_length=120)] = ""
    model: Annotated[str, Meta(max_length=120)] = ""
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 3.0


class Probe(Driver):
    """One address. An observation ends within about `timeout_s` seconds or raises DriverError."""

    Settings = ProbeSettings
    settings: ProbeSettings

    def observe(self) -> Observation:
        """Connect, and where a page is configured ask for it; a status of 500 and above is no answer."""
        began_s = self.clock.monotonic()
        status: float | None = None
        if self.settings.path is None:
            self._connect()
        else:
            status = self._status()
        readings: dict[str, Value] = {
            "response_time": round((self.clock.monotonic() - began_s) * 1000, 1),
            "http_status": status,
        }
        return Observation(
            seen_s=self.clock.monotonic(),
            readings=readings,
            identity=Identity(make=self.settings.make or self.settings.host, model=self.settings.model),
        )

    @property
    def _where(self) -> str:
        return f"{self.settings.host}:{self.settings.port}"

    def _connect(self) -> None:
        try:
            socket.create_connection((self.settings.host, self.settings.port), self.settings.timeout_s).close()
        except OSError as error:
            raise NotAnswering(f"{self._where}: nobody answers there ({error.strerror or error})") from error

    def _status(self) -> float:
        given = self.settings
        talk = http.client.HTTPConnection(given.host, given.port, timeout=given.timeout_s)
        if given.tls:
            trust = ssl.create_default_context(cafile=given.ca_file)
            talk = http.client.HTTPSConnection(given.host, given.port, timeout=given.timeout_s, context=trust)
        try:
            talk.request("GET", given.path or "/", headers={"Connection": "close"})
            answer = talk.getresponse()
            answer.read(_MOST_BYTES)
        except ssl.SSLCertVerificationError as error:
            raise BadAnswer(f"{self._where}: its certificate is not trusted; give ca_file") from error
        except TimeoutError as error:
            raise NotAnswering(f"{self._where}: no answer in time") from error
        except (http.client.HTTPException, ssl.SSLError, ValueError) as error:
            raise BadAnswer(f"{self._where}: not HTTP: {str(error)[:80]!r}") from error
        except OSError as error:
            raise NotAnswering(f"{self._where}: nobody answers there ({error.strerror or error})") from error
        finally:
            talk.close()
        if not 100 <= answer.status < 500:
            raise BadAnswer(f"{self._where}: its web server says {answer.status}")
        return float(answer.status)


DRIVER = Probe
