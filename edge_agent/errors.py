"""Errors of the agent.

AgentError
├── WrongConfiguration   room.toml says something that cannot be: file, line, key and what would be right
├── StoreBroken          the agent's own files cannot be read or written
├── NotEnrolled          the agent has no identity yet
└── EnrolmentFailed      the centre has not given it one, and why
    └── CentreAway           nobody answers there now
"""


class AgentError(Exception):
    """The agent cannot go on; the text says what happened, to what, and what to do."""


class WrongConfiguration(AgentError):
    """The configuration is wrong."""


class StoreBroken(AgentError):
    """The agent's own store is damaged or out of reach."""


class NotEnrolled(AgentError):
    """There is no identity."""


class EnrolmentFailed(AgentError):
    """No identity could be had."""


class CentreAway(EnrolmentFailed):
    """Nobody answers; it may be otherwise in a minute."""
