"""Is the conference software running?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed


def decide(room: Evidence, need: Need) -> Finding:
    """One of the configured processes runs."""
    return passed(True, True) if room["conference_running"] else failed("not_running", False, True)


CHECK = Check(role="pc", reads=("conference_running",), decide=decide, mend_min=3)
