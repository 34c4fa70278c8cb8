"""The life of a command, as the server keeps it.

requested -> sent -> accepted -> running -> succeeded | failed | refused | expired | interrupted
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct

from fleet_server.domain.provisioning import Fit
from wire.description import ActionSpec, wrong_params

START_WITHIN = timedelta(seconds=60)
"""A command that has not begun by then is not begun: nothing is executed late because a line came back."""
ANSWER_WITHIN = timedelta(seconds=30)
"""What is added to the time of the action for its answer to come."""
RESEND_EVERY_S = 5.0
APPROVE_WITHIN = timedelta(minutes=10)
"""A dangerous command that nobody has approved by then is not begun."""


class State(StrEnum):
    """Where a command is."""

    REQUESTED = "requested"
    SENT = "sent"
    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    EXPIRED = "expired"
    INTERRUPTED = "interrupted"


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.REFUSED, State.EXPIRED, State.INTERRUPTED})
_ORDER = {State.REQUESTED: 0, State.SENT: 1, State.ACCEPTED: 2, State.RUNNING: 3}


class Refusal(Struct, frozen=True):
    """Why a request is not taken."""

    status: int
    key: str
    params: dict[str, Any] = {}


def state_after(now: State, step: State) -> State:
    """The state once a step is known. The room's word is final; what the server gave up on, a late answer corrects."""
    if now is State.EXPIRED:
        return step if step in FINAL else now
    if now in FINAL:
        return now
    return step if step in FINAL or _ORDER[step] > _ORDER[now] else now


def refusal_of(
    fits: Sequence[Fit] | None, device: str, action: str, params: dict[str, Any], *, live: bool, override: bool,
    reason: str, by_centre: bool = False, of_hub: bool = False,
) -> Refusal | None:  # fmt: skip
    """Why a wish cannot be granted; None when it can. `fits`: the room's devices; None while it has not told them."""
    if fits is None:
        return Refusal(409, "commands.no_about")
    found = next((fit for fit in fits if fit.about.id == device), None)
    if found is None:
        return Refusal(404, "commands.no_device", {"device": device})
    spec = next((offered for offered in found.actions if offered.action == action), None)
    if spec is None or (spec.by_centre and not by_centre):
        told = any(known.action == action for known in found.about.actions)
        key = "commands.not_allowed" if told else "commands.not_offered"
        return Refusal(422, key, {"device": device, "action": action})
    if wrong := wrong_params(spec, params):
        return Refusal(422, "commands.wrong_params", {"reason": wrong})
    if (spec.dangerous or (of_hub and spec.blind_s > 0)) and not by_centre and not reason.strip():
        return Refusal(422, "commands.reason_needed", {"action": action})
    if live and not (override and reason.strip()):
        return Refusal(409, "commands.session_live")
    return None


def is_dangerous(spec: ActionSpec, *, of_hub: bool, live: bool) -> bool:
    """Whether a second person should agree: it may cut power, blinds the hub, or touches a live session."""
    return spec.dangerous or live or (of_hub and spec.blind_s > 0)


def spec_of(fits: Sequence[Fit], device: str, action: str) -> ActionSpec:
    """The description of an action that `refusal_of` has let pass."""
    found = next(fit for fit in fits if fit.about.id == device)
    return next(spec for spec in found.actions if spec.action == action)


def answer_by(spec: ActionSpec, expires_at: datetime) -> datetime:
    """When the server gives up waiting for the last step."""
    return expires_at + timedelta(seconds=spec.takes_s) + ANSWER_WITHIN
