"""The identity of a room: which life of its agent speaks, whether two machines share one, when a certificate ends."""

from datetime import timedelta

from msgspec import Struct

CODE_LIVES = timedelta(hours=24)
CERTIFICATE_LIVES = timedelta(days=30)
BACKDATED = timedelta(hours=24)
"""So that a room whose clock is late can use its certificate at once."""
RENEW_AFTER = timedelta(days=15)

_REMEMBERED = 16
_CLONE_STANDS_S = 86_400.0


class Boots(Struct, frozen=True, omit_defaults=True):
    """The lives of a room's agent, by boot id: the present one, those before it, newest first."""

    now: str = ""
    before: tuple[str, ...] = ()
    cloned_at: float | None = None
    """When a life that was over was heard again: two machines with one identity. Seconds since the epoch."""


def boots_after(boots: Boots, boot_id: str, now: float) -> Boots:
    """The lives once this one has been heard.

    An agent that was started again has a new boot id and never its old one again; two agents that take the connection
    from each other are heard in turn. A day without that, and the warning ends.
    """
    cloned_at = boots.cloned_at
    if cloned_at is not None and now - cloned_at >= _CLONE_STANDS_S:
        cloned_at = None
    if boot_id == boots.now:
        return boots if cloned_at == boots.cloned_at else Boots(boots.now, boots.before, cloned_at)
    if boot_id in boots.before:
        cloned_at = now
    before = (boots.now, *(known for known in boots.before if known != boot_id)) if boots.now else ()
    return Boots(boot_id, before[:_REMEMBERED], cloned_at)
