"""The PC of the room: usually the one that the agent runs on."""

import subprocess
from collections.abc import Callable
from threading import Event
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from device_drivers.driver import Driver, Identity, Observation, Progress
from device_drivers.errors import ActFailed, NotOffered
from device_drivers.far import Far
from device_drivers.pc.facts import Facts, Machine
from device_drivers.pc.machine import BOOT_ID, OwnMachine
from device_drivers.registry import description_of
from wire.description import ActionSpec
from wire.fields import Params, Value
from wire.times import Clock

_Process = Annotated[str, Meta(min_length=1, max_length=64)]
_Service = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.@-]{1,64}$")]
_REBOOT_WITHIN_S = 120.0
_NOT_READINGS = {"make", "model", "system"}


class PcSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What to look at, and what may be done."""

    processes: Annotated[tuple[_Process, ...], Meta(max_length=16)] = ()
    """Names of the conference software's processes; one of them running is enough."""
    services: Annotated[tuple[_Service, ...], Meta(max_length=32)] = ()
    """The systemd units that may be restarted from afar."""
    disk: Annotated[str, Meta(min_length=1, max_length=255)] = "/"
    """A path on the disk that takes the recording."""
    time_url: Annotated[str, Meta(pattern=r"^https?://", max_length=255)] | None = None
    """The server's address, whose clock is the measure."""
    may_reboot: bool = False
    host: Annotated[str, Meta(min_length=1, max_length=253)] | None = None
    """Set where the agent runs on a box of its own beside the PC."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 9105
    timeout_s: Annotated[float, Meta(gt=0, le=30)] = 5.0


class Pc(Driver):
    """This computer, or the one beside it."""

    Settings = PcSettings
    settings: PcSettings
    watches = True

    def __init__(self, settings: PcSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._own: OwnMachine | None = None
        if settings.host is None:
            self._own = OwnMachine(settings.processes, settings.disk, settings.time_url, clock)
        self._machine: Machine = self._own or Far(Facts, "PC", settings.host or "", settings.port, settings.timeout_s)

    def observe(self) -> Observation:
        """All facts as readings."""
        facts = self._machine.facts()
        readings: dict[str, Value] = {
            name: value for name, value in msgspec.structs.asdict(facts).items() if name not in _NOT_READINGS
        }
        return Observation(
            seen_s=self.clock.monotonic(),
            readings=readings,
            identity=Identity(make=facts.make, model=facts.model, firmware=facts.system),
            actions=self._actions(),
        )

    def act(self, action: str, params: Params, progress: Progress) -> Params:
        """Restart a service of the allow-list, or reboot. A reboot ends this very process: see `proved`."""
        if action not in {spec.action for spec in self._actions()}:
            raise NotOffered(action)
        started_s = self.clock.monotonic()
        if action == "reboot":
            self._systemctl("reboot")
            progress("going_down")
            Event().wait(_REBOOT_WITHIN_S)
            raise ActFailed("did_not_go_away")
        service = str(params["service"])
        if service not in self.settings.services:
            raise ActFailed("not_in_allow_list", service=service)
        before = self._systemctl("show", "--property=InvocationID", "--value", service)
        self._systemctl("restart", service)
        progress("restarted")
        if self._systemctl("is-active", service, check=False) != "active":
            raise ActFailed("service_not_active", service=service)
        if self._systemctl("show", "--property=InvocationID", "--value", service) == before:
            raise ActFailed("no_effect_seen")
        return {"took_s": round(self.clock.monotonic() - started_s, 1)}

    def mark(self, action: str, params: Params) -> str | None:
        """For a reboot: which boot of the kernel it was asked in."""
        return BOOT_ID.read_text().strip() if action == "reboot" and self._own else None

    def proved(self, action: str, mark: str) -> Params | None:
        """The kernel has been started anew since: the reboot happened."""
        if action != "reboot" or BOOT_ID.read_text().strip() == mark:
            return None
        facts = self._machine.facts()
        return {"up_since_s": facts.uptime}

    def watch(self, stop: Event, wake: Callable[[], None]) -> None:
        """Hotplug of this computer, told within the second."""
        if self._own is not None:
            self._own.watch(stop, wake)

    def _actions(self) -> tuple[ActionSpec, ...]:
        if self._own is None:
            return ()
        offered = []
        for spec in description_of("pc").actions:
            if spec.action == "restart_service" and self.settings.services:
                service = msgspec.structs.replace(spec.params[0], type="choice", values=self.settings.services)
                offered.append(msgspec.structs.replace(spec, params=(service,)))
            elif spec.action == "reboot" and self.settings.may_reboot:
                offered.append(spec)
        return tuple(offered)

    def _systemctl(self, *words: str, check: bool = True) -> str:
        try:
            ran = subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=50, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ActFailed("systemctl_unavailable") from error
        if check and ran.returncode != 0:
            raise ActFailed("systemctl_refused", said=ran.stderr.strip()[-200:])
        return ran.stdout.strip()


DRIVER = Pc
