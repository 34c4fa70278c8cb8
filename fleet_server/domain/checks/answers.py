"""Does the device answer, and as itself?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed


def decide(room: Evidence, need: Need) -> Finding:
    """Any state but `ok` is a fail that says what to do about that state."""
    state = room["state"]
    return passed(observed="ok", required="ok") if state == "ok" else failed(state, observed=state, required="ok")


CHECK = Check(role=None, reads=("state",), decide=decide, mend_min=30)
