"""The line to the centre: round trips of datagrams each poll, bandwidth only with a ticket of the centre."""

from typing import Annotated

from msgspec import Meta, Struct

from device_drivers.driver import Driver, Identity, Observation, Progress
from device_drivers.errors import Misconfigured, NotOffered
from device_drivers.line.echo import ask, trips_of
from device_drivers.line.stream import Centre, Rate
from device_drivers.registry import description_of
from wire.fields import Params, Value
from wire.times import Clock

_CLOSER = 100
"""So many datagrams tell one percent of loss from two."""


class LineSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the centre's probe is, and whose line it is."""

    host: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,253}$")]
    port: Annotated[int, Meta(ge=1, le=65535)] = 8080
    """UDP, of the centre's echo."""
    url: Annotated[str, Meta(pattern=r"^https?://[!-~]{1,240}$")] | None = None
    """The centre's address; None: bandwidth is not measured."""
    ca_file: Annotated[str, Meta(max_length=255)] | None = None
    probes: Annotated[int, Meta(ge=4, le=50)] = 10
    gap_s: Annotated[float, Meta(ge=0.001, le=0.2)] = 0.02
    """Between two probes; speech comes in packets 20 ms apart."""
    provider: Annotated[str, Meta(max_length=120)] = ""
    contract: Annotated[str, Meta(max_length=120)] = ""
    """What the line is called on its bill."""
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 2.0
    """How long the last datagram may take."""


class Line(Driver):
    """One line. An observation ends within `timeout_s` and the gaps between its probes, or raises DriverError."""

    Settings = LineSettings
    settings: LineSettings

    def __init__(self, settings: LineSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._measured: tuple[Rate, Rate, float] | None = None

    def observe(self) -> Observation:
        """Latency (median of the round trips), jitter (mean of their differences, RFC 3550 6.4.1) and loss.

        One of ten that is lost may be one of ten thousand: it is looked at more closely before a room is judged by it.
        """
        given, centre = self.settings, (self.settings.host, self.settings.port)
        found = ask(centre, given.probes, given.gap_s, given.timeout_s)
        if None in found:
            slowest_s = max(trip_s for trip_s in found if trip_s is not None)
            within_s = min(given.timeout_s, max(1.0, 4 * slowest_s))
            found += ask(centre, _CLOSER - given.probes, given.gap_s, within_s)
        trips = trips_of(found)
        readings: dict[str, Value] = {
            "latency": trips.latency_ms, "jitter": trips.jitter_ms, "loss": trips.loss_percent,
            "bandwidth_down": None, "bandwidth_up": None, "bandwidth_method": None,
        }  # fmt: skip
        older = {}
        if self._measured is not None:
            down, up, seen_s = self._measured
            readings |= {
                "bandwidth_down": down.mbit_s, "bandwidth_up": up.mbit_s, "bandwidth_method": "tcp_1",
            }  # fmt: skip
            older = dict.fromkeys(("bandwidth_down", "bandwidth_up", "bandwidth_method"), seen_s)
        return Observation(
            seen_s=self.clock.monotonic(),
            readings=readings,
            identity=Identity(make=given.provider or given.host, model=given.contract),  # a line cannot be asked
            actions=description_of("line").actions if given.url else (),
            older=older,
        )

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Take bytes, then bring bytes, for as long as the centre's ticket says."""
        if action != "measure_bandwidth" or self.settings.url is None:
            raise NotOffered(action)
        try:
            centre = Centre(self.settings.url, self.settings.ca_file, str(params["ticket"]))
        except (OSError, ValueError) as error:
            raise Misconfigured(f"line: url {self.settings.url} or its ca_file cannot be used: {error}") from error
        down = centre.take()
        progress("measured_down", mbit_s=down.mbit_s, took_s=down.took_s)
        up = centre.bring()
        progress("measured_up", mbit_s=up.mbit_s, took_s=up.took_s)
        self._measured = (down, up, self.clock.monotonic())
        return {
            "down_mbit_s": down.mbit_s, "up_mbit_s": up.mbit_s, "down_s": down.took_s, "up_s": up.took_s,
            "method": "tcp_1",
        }  # fmt: skip


DRIVER = Line
