"""What to do with a command that has arrived: refuse it with a reason, or journal it and hand it to its device."""

import logging
import queue
from collections.abc import Mapping

from device_drivers.errors import DriverError
from edge_agent.clock_trust import MAY_DIFFER_S, ClockTrust
from edge_agent.devices import Devices
from edge_agent.journal import Journal
from edge_agent.log import RoomLog
from wire.description import wrong_params
from wire.fields import Params
from wire.messages import Command
from wire.times import Clock

log = logging.getLogger("diemcau.commands")


class Commands:
    """At most once, always accounted for."""

    def __init__(
        self, devices: Devices, journal: Journal, room_log: RoomLog, clock: Clock, trust: ClockTrust
    ) -> None:  # fmt: skip
        self._devices, self._journal, self._log, self._clock = devices, journal, room_log, clock
        self._trust = trust
        self.proved: Mapping[str, tuple[str, ...]] = {}
        """Device -> those of its actions that need proof and were proved, as the centre's profiles say."""

    def take(self, command: Command) -> None:
        """Answer one command. A second copy of an id is answered by the journal, never executed.

        Before the centre has answered us once nobody knows what time it is: the command is left, and comes again.
        """
        if not self._trust.is_measured:
            log.info("command_waits id=%s until the clock is measured", command.id)
            return
        refusal = self._refusal(command)
        if refusal is not None:
            if self._journal.refuse(command, *refusal):
                log.info("command_refused id=%s reason=%s", command.id, refusal[0])
            return
        if not self._journal.receive(command):
            log.info("command_doubled id=%s", command.id)
            return
        log.info("command_accepted id=%s device=%s action=%s", command.id, command.device, command.action)
        try:
            self._devices.workers[command.device].act(command)
        except queue.Full:
            self._journal.step(command.id, "refused", "busy", {})

    def settle(self) -> None:
        """After a start: end what the last life of this agent left open. Nothing is executed again."""
        for left in self._journal.unfinished():
            if left.state == "accepted":
                self._journal.step(left.command, "failed", "not_started", {})
                continue
            proof = self._proof(left.device, left.action, left.mark)
            if left.mark is not None and (worker := self._devices.workers.get(left.device)) is not None:
                worker.owes(left.action, left.mark)
            if proof is None:
                self._journal.step(left.command, "interrupted", "agent_stopped", {})
            else:
                self._journal.step(left.command, "succeeded", "succeeded", proof)
            log.warning("command_settled id=%s proved=%s", left.command, proof is not None)

    def _refusal(self, command: Command) -> tuple[str, Params] | None:
        now = self._clock.now()
        if not self._trust.is_trusted() or (command.not_before - now).total_seconds() > MAY_DIFFER_S:
            return "clock_untrusted", {}
        if now > command.expires_at:
            return "expired", {}
        worker = self._devices.workers.get(command.device)
        if worker is None:
            return "unknown_device", {"device": command.device}
        if worker.acting not in (None, command.id):
            return "busy", {}
        if worker.hangs:
            return "not_answering", {}
        observation = worker.view().observation
        offered = {spec.action: spec for spec in observation.actions} if observation else {}
        if command.action not in offered:
            return "not_offered", {"action": command.action}
        if offered[command.action].needs_proof and command.action not in self.proved.get(command.device, ()):
            return "not_proved", {"action": command.action}
        if wrong := wrong_params(offered[command.action], dict(command.params)):
            return "wrong_params", {"reason": wrong[:200]}
        return None

    def _proof(self, device: str, action: str, mark: str | None) -> Params | None:
        worker = self._devices.workers.get(device)
        if worker is None or mark is None:
            return None
        try:
            return worker.driver().proved(action, mark)
        except (DriverError, OSError):
            return None
        except Exception as error:  # or it would be asked again at every start, and no start would succeed
            log.exception("driver_fault device=%s error=%s", device, type(error).__name__)
            return None
