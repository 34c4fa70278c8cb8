"""Who may do what, where: one table and one function. Whatever is not in the table is nobody's.

A person has one role, and acts at named sites or, where none is named, at all of them.
"""

from enum import StrEnum

from msgspec import Struct


class Role(StrEnum):
    """What a person is to the province."""

    VIEWER = "viewer"
    TECHNICIAN = "technician"
    OPERATOR = "operator"
    ORGANISER = "organiser"
    ADMINISTRATOR = "administrator"


class Act(StrEnum):
    """What a route lets a person do."""

    SEE = "see"
    CONFIRM_DUTY = "confirm_duty"
    INVITE = "invite"
    COMMAND = "command"
    APPROVE = "approve"
    TEST_LINE = "test_line"
    SURVEY = "survey"
    PROVISION = "provision"
    ROLL_OUT = "roll_out"
    CHECK = "check"
    PLAN = "plan"
    DECIDE = "decide"
    RECORD = "record"
    """Read the minutes of sessions: they name people, rooms and commands of all of them."""
    HANDLE = "handle"
    """Acknowledge an incident, note, assign, snooze."""
    SET_ALERTS = "set_alerts"
    """Who is told of what, who is on duty, what is silenced."""
    ENROL = "enrol"
    ADMIT = "admit"
    CLOSE = "close"
    MANAGE_PEOPLE = "manage_people"
    AUDIT = "audit"
    OWN = "own"


VIEW, TECH, OPER, ORGA, ADMI = Role  # four letters each, so that the table can be read as one
TABLE: dict[Act, frozenset[Role]] = {
    Act.SEE: frozenset({VIEW, TECH, OPER, ORGA, ADMI}),
    Act.OWN: frozenset({VIEW, TECH, OPER, ORGA, ADMI}),
    Act.CONFIRM_DUTY: frozenset({TECH, OPER, ORGA, ADMI}),
    Act.INVITE: frozenset({TECH, OPER, ORGA, ADMI}),
    Act.COMMAND: frozenset({TECH, OPER, ADMI}),
    Act.APPROVE: frozenset({OPER, ADMI}),
    Act.TEST_LINE: frozenset({TECH, OPER, ORGA, ADMI}),
    Act.SURVEY: frozenset({TECH, OPER, ADMI}),
    Act.PROVISION: frozenset({TECH, OPER, ADMI}),
    Act.HANDLE: frozenset({TECH, OPER, ADMI}),
    Act.SET_ALERTS: frozenset({OPER, ADMI}),
    Act.ENROL: frozenset({TECH, OPER, ADMI}),
    Act.ADMIT: frozenset({OPER, ADMI}),
    Act.ROLL_OUT: frozenset({OPER, ADMI}),
    Act.CHECK: frozenset({OPER, ORGA, ADMI}),
    Act.PLAN: frozenset({ORGA, ADMI}),
    Act.DECIDE: frozenset({ORGA, ADMI}),
    Act.RECORD: frozenset({VIEW, OPER, ORGA, ADMI}),
    Act.CLOSE: frozenset({ADMI}),
    Act.MANAGE_PEOPLE: frozenset({ADMI}),
    Act.AUDIT: frozenset({ADMI}),
}
WHOLE_FLEET = frozenset(
    {
        Act.ROLL_OUT,
        Act.CHECK,
        Act.PLAN,
        Act.DECIDE,
        Act.RECORD,
        Act.SET_ALERTS,
        Act.CLOSE,
        Act.MANAGE_PEOPLE,
        Act.AUDIT,
    }
)
"""What nobody does who has named sites only."""
ONLY_READS = frozenset({Act.SEE, Act.RECORD})
"""What an API token without the right to act may do."""
HARMLESS = frozenset({Role.VIEWER})
"""Roles that can change nothing: they need no second factor."""


class Person(Struct, frozen=True):
    """Who asks: a user, by a browser's sign-in or by an API token of theirs."""

    user: str
    """The user's id."""
    name: str
    """As records show it."""
    role: Role
    sites: frozenset[str] = frozenset()
    """Where; empty: everywhere."""
    reads_only: bool = False
    by_token: bool = False
    origin: str = ""
    """From which address."""

    @property
    def is_everywhere(self) -> bool:
        """Whether no sites are named."""
        return not self.sites

    def own_key(self, key: str | None) -> str | None:
        """A person's idempotency keys are their own: none takes the place of another's, or of one of the server's."""
        return f"{self.user}:{key}" if key is not None else None


def may(person: Person, act: Act, site: str | None = None) -> bool:
    """Whether the person may do this, at this site where there is one."""
    if person.role not in TABLE[act] or (person.reads_only and act not in ONLY_READS):
        return False
    if act in WHOLE_FLEET and not person.is_everywhere:
        return False
    return site is None or person.is_everywhere or site in person.sites
