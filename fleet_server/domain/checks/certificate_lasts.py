"""Does the room's certificate last past the end of the session? Where rooms have none nothing is asked."""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, not_asked, passed


def decide(room: Evidence, need: Need) -> Finding:
    """`certificate_until` in seconds since the epoch, 0 where the room should have one and has not."""
    until = room["certificate_until"]
    if until is None or not need.in_session:
        return not_asked("not_asked")
    if until == 0:
        return failed("none", 0)
    beyond_h = round((until - need.limits["ends_at"]) / 3_600, 1)
    return passed(beyond_h, 0) if beyond_h > 0 else failed("ends_before", beyond_h, 0, short_h=-beyond_h)


CHECK = Check(role="centre", reads=("certificate_until",), decide=decide, mend_min=30, unit="h")
