"""Is the room what it should be: every slot filled, firmware accepted, no setting adrift?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, not_asked, passed


def decide(room: Evidence, need: Need) -> Finding:
    """`provisioned`, as the centre has compared it."""
    if room["provisioned"] is None or not need.in_session:
        return not_asked("not_asked")
    return passed(True, True) if room["provisioned"] else failed("differs", False, True)


CHECK = Check(role="centre", reads=("provisioned",), decide=decide, mend_min=45)
