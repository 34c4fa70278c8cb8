"""One device, one thread: it is observed and acted on in turn, and a hanging one delays only itself."""

import logging
import queue
from collections.abc import Callable, Mapping
from threading import Event, Lock

from msgspec import Struct
from msgspec.structs import replace

from device_drivers import registry
from device_drivers.driver import ALL_OUTLETS, GONE, Driver, Observation, Progress
from device_drivers.errors import ActFailed, DriverError, Misconfigured, NotOffered
from edge_agent.config import DeviceConfig, settings_of
from edge_agent.journal import Journal
from edge_agent.power import PowerTree, not_back
from edge_agent.room import View
from wire.fields import Params, Value
from wire.messages import Command, DeviceState
from wire.times import Clock

log = logging.getLogger("diemcau.device")

_POLL = None
_WAIT_S = 5.0
_LATE = 2
"""So many times its interval without a poll: then the device is observed unasked."""
_LOOK_S = 0.5


class Act(Struct, frozen=True):
    """A command that has been accepted."""

    command: Command


class DeviceWorker:
    """Owns the driver of one device. `poke` and `act` are called by any thread, `run` by its own."""

    def __init__(
        self,
        device: DeviceConfig,
        make: Callable[[], Driver],
        journal: Journal,
        clock: Clock,
        found: Callable[[View | None, View], None],
        power: PowerTree,
        others: Callable[[], Mapping[str, "DeviceWorker"]],
    ) -> None:
        self.device = device
        self._make, self._journal, self._clock, self._found = make, journal, clock, found
        self._power, self._others = power, others
        self._driver: Driver | None = None
        self._todo: queue.Queue[Act | None] = queue.Queue(maxsize=8)
        self._lock = Lock()
        self._view: View | None = None
        self._began_s: float | None = None
        self._observed_s = float("-inf")
        self._acting: str | None = None
        self._waiting: Command | None = None
        self._owed: list[tuple[str, str]] = []
        self.retired = Event()
        """Set when the device is no longer wanted."""

    def view(self) -> View:
        """What is known now. Past its deadline a device is not answering, whether or not its thread is back."""
        now_s = self._clock.monotonic()
        with self._lock:
            view = self._view or View(self.device, "waiting", now_s)
            if self.hangs and view.state in ("ok", "waiting"):
                before, self._view = (
                    self._view,
                    View(self.device, "not_answering", now_s, "no answer before the deadline", view.observation),
                )
                view = self._view
            else:
                return view
        self._found(before, view)
        return view

    @property
    def acting(self) -> str | None:
        """The command that is being executed or waits its turn."""
        waiting = self._waiting
        return self._acting or (waiting.id if waiting is not None else None)

    @property
    def executes(self) -> bool:
        """Whether a command is being executed."""
        return self._acting is not None

    @property
    def hangs(self) -> bool:
        """Whether its device has been asked and is past its deadline."""
        began_s = self._began_s
        return began_s is not None and self._clock.monotonic() - began_s > self.device.deadline_s

    def drop_expired(self) -> None:
        """What waits behind a hanging device ends when its time is over, whenever the device comes back."""
        with self._lock:
            waiting = self._waiting
            if waiting is None or self._clock.now() <= waiting.expires_at:
                return
            self._waiting = None
        self._journal.step(waiting.id, "refused", "expired", {})

    def poke(self) -> None:
        """Observe soon; a poll that already waits will do."""
        if self._todo.empty():
            try:
                self._todo.put_nowait(_POLL)
            except queue.Full:
                return

    def act(self, command: Command) -> None:
        """Execute an accepted command after what is under way. Raises queue.Full."""
        with self._lock:
            self._todo.put_nowait(Act(command))
            self._waiting = command

    def owes(self, action: str, mark: str) -> None:
        """An act was under way when we were stopped: what it has taken is given back, as soon as the device lets us."""
        self._owed.append((action, mark))

    def retire(self) -> None:
        """Stop to watch this device, after what is under way."""
        self.retired.set()
        self.poke()

    def driver(self) -> Driver:
        """The driver, made when first needed. Raises DriverError."""
        if self._driver is None:
            self._driver = self._make()
            self._driver.breathe = self._observe_when_due
        return self._driver

    def run(self, stop: Event, beat: Callable[[], None]) -> None:
        """Observe and act until `stop`."""
        try:
            while not (stop.is_set() or self.retired.is_set()):
                beat()
                try:
                    task = self._todo.get(timeout=_WAIT_S)
                except queue.Empty:
                    # Polls are planned by the wall clock: after it was set back, none comes for hours.
                    if self._clock.monotonic() < self._observed_s + _LATE * self.device.poll_s:
                        continue
                    task = _POLL
                if isinstance(task, Act) and self._begins(task.command):
                    try:
                        self._execute(task.command)
                    finally:
                        self._acting = None
                if not (stop.is_set() or self.retired.is_set()):
                    self._give_back()
                    self._observe()
        finally:
            if self.retired.is_set():
                self._end_waiting()
            # Only then: a full disk that keeps a line from the log must not let go of coils that feed a room's lamps.
            if self._driver is not None and (stop.is_set() or self.retired.is_set()):
                self._driver.close()

    def _begins(self, command: Command) -> bool:
        """Whether it waits still."""
        with self._lock:
            if self._waiting is not command:
                return False
            self._acting, self._waiting = command.id, None
            return True

    def _give_back(self) -> None:
        while self._owed:
            action, mark = self._owed[0]
            try:
                self.driver().give_back(action, mark)
            except (ActFailed, DriverError):  # as the observation that follows will say
                return
            except Exception as error:  # never once more, or nothing else would come to pass
                log.exception("driver_fault device=%s error=%s", self.device.id, type(error).__name__)
            else:
                log.info("act_settled device=%s action=%s mark=%s", self.device.id, action, mark)
            self._owed.pop(0)

    def _end_waiting(self) -> None:
        """What was accepted for a device that is no longer wanted is not begun any more, and says so."""
        while not self._todo.empty():
            task = self._todo.get_nowait()
            if isinstance(task, Act) and self._begins(task.command):
                self._journal.step(task.command.id, "failed", "not_started", {})
        self._acting = None

    def _observe_when_due(self) -> None:
        if self._clock.monotonic() >= self._observed_s + self.device.poll_s:
            self._observe()

    def _observe(self) -> None:
        self._began_s = self._observed_s = self._clock.monotonic()
        try:
            observation = self.driver().observe()
            after = View(self.device, "ok", observation.seen_s, observation=self._with_time_to_return(observation))
        except DriverError as error:
            after = self._in_trouble(error.state, str(error))
        except Exception as error:
            log.exception("driver_fault device=%s error=%s", self.device.id, type(error).__name__)
            after = self._in_trouble("bad_answer", f"driver fault: {type(error).__name__}")
        finally:
            self._began_s = None
        self._note(after)

    def _with_time_to_return(self, observation: Observation) -> Observation:
        """An act has not ended before all that hangs on this device is back, so that it may take so much longer."""
        longer_s = self._power.back_within_s(self.device.id, ALL_OUTLETS)
        if not longer_s:
            return observation
        actions = tuple(replace(spec, takes_s=min(3600.0, spec.takes_s + longer_s)) for spec in observation.actions)
        return replace(observation, actions=actions)

    def _in_trouble(self, state: DeviceState, detail: str) -> View:
        before = self._view
        now_s = self._clock.monotonic()
        return View(self.device, state, now_s, detail, before.observation if before else None)

    def _note(self, after: View) -> None:
        with self._lock:
            before, self._view = self._view, after
        if (before.state if before else "ok") != after.state:
            log.info("device_state device=%s state=%s detail=%r", self.device.id, after.state, after.detail[:120])
        self._found(before, after)

    def _execute(self, command: Command) -> None:
        if self._clock.now() > command.expires_at:
            self._journal.step(command.id, "refused", "expired", {})
            return
        try:
            driver = self.driver()
            outlet = driver.cuts(command.action, command.params)
            if outlet is not None and self._power.cuts_us(self.device.id, outlet, driver.gives(command.action)):
                self._journal.step(command.id, "refused", "cuts_own_power", {})
                return
            self._journal.step(command.id, "running", "started", {}, driver.mark(command.action, command.params))
            progress = self._progress_of(command.id)
            result = driver.act(command.action, command.params, progress)
            if outlet is not None and driver.gives(command.action):
                result = {**result, **self._see_all_back(outlet, progress)}
        except NotOffered as error:
            self._journal.step(command.id, "refused", error.reason, error.params)
        except ActFailed as error:
            self._journal.step(command.id, "failed", error.reason, error.params)
        except DriverError as error:
            self._journal.step(command.id, "failed", error.state, {"detail": str(error)[:200]})
        except Exception as error:
            log.exception("driver_fault device=%s error=%s", self.device.id, type(error).__name__)
            self._journal.step(command.id, "failed", "driver_fault", {"error": type(error).__name__})
        else:
            self._journal.step(command.id, "succeeded", "succeeded", result)

    def _see_all_back(self, outlet: str, progress: Progress) -> Params:
        """Wait until every device that hangs on the outlet has answered since it has power again. Raises ActFailed."""
        began_s = self._clock.monotonic()
        until_s = began_s + self._power.back_within_s(self.device.id, outlet)
        fed = self._power.fed_by(self.device.id, outlet) - {self.device.id}
        if not fed:
            return {}
        progress("waiting_for_fed", devices=", ".join(sorted(fed)))
        others = self._others()
        while missing := not_back(fed, {name: others[name].view() for name in fed}, began_s):
            if self._clock.monotonic() >= until_s:
                raise ActFailed("fed_not_back", devices=", ".join(missing))
            for name in missing:
                others[name].poke()
            Event().wait(_LOOK_S)
        return {"back_after_s": round(self._clock.monotonic() - began_s, 1)}

    def _progress_of(self, command: str) -> Callable[..., None]:
        def progress(detail: str, **params: Value) -> None:
            known: Params = params
            self._journal.step(command, "running", detail, known)
            if detail == GONE:
                self._note(self._in_trouble("not_answering", "away while a command runs"))

        return progress


def driver_of(device: DeviceConfig, clock: Clock) -> Driver:
    """The driver of a configured device. Raises Misconfigured."""
    try:
        return registry.driver_class(device.driver)(settings_of(device), clock)
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{device.id}: driver {device.driver} cannot start: {error}") from error
