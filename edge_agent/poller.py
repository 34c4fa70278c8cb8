"""Who is observed when: APScheduler pokes each device's worker on the device's own schedule."""

from datetime import UTC, datetime

from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from edge_agent.worker import DeviceWorker


class Poller:
    """Starts polling a device at once, then every `poll_s` with a tenth of jitter so that they do not stay in step."""

    def __init__(self) -> None:
        self._workers: dict[str, DeviceWorker] = {}
        self._most_s = float("inf")
        # A job only puts a token into a queue, so it runs in the scheduler's own thread.
        self._scheduler = BackgroundScheduler(executors={"default": DebugExecutor()}, timezone=UTC)

    def add(self, worker: DeviceWorker) -> None:
        """Poke this one too."""
        self._workers[worker.device.id] = worker
        self._scheduler.add_job(
            worker.poke,
            self._trigger(worker),
            next_run_time=datetime.now(UTC),
            id=worker.device.id,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )

    def remove(self, device: str) -> None:
        """Poke it no more."""
        del self._workers[device]
        self._scheduler.remove_job(device)

    def hurry(self, most_s: float) -> None:
        """Poll no device more seldom than every `most_s` from now on; `inf` leaves each to its own schedule."""
        if most_s == self._most_s:
            return
        self._most_s = most_s
        for name, worker in self._workers.items():
            self._scheduler.reschedule_job(name, trigger=self._trigger(worker))

    def _trigger(self, worker: DeviceWorker) -> IntervalTrigger:
        every_s = min(worker.device.poll_s, self._most_s)
        return IntervalTrigger(seconds=every_s, jitter=every_s / 10)

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def stop(self) -> None:
        """Poke nobody any more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
