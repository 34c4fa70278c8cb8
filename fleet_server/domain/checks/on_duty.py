"""Does somebody look after the room, and know it? Asked for a session, from an hour before it on."""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, not_asked, passed


def decide(room: Evidence, need: Need) -> Finding:
    """A named person has confirmed."""
    if room["on_duty"] is not None:
        return passed(room["on_duty"])
    if not need.in_session or need.starts_in_s > need.limits["before_s"]:
        return not_asked("not_yet")
    return failed("nobody")


CHECK = Check(role="people", reads=("on_duty",), decide=decide, mend_min=10, awaits=("nobody",))
