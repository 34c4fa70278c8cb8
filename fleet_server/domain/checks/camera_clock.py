"""Is the camera's clock right? A camera far off refuses us, and stamps its record wrongly."""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed, warned


def decide(room: Evidence, need: Need) -> Finding:
    """By how many seconds it differs from the agent's."""
    off_s = abs(room["clock_skew"])
    warn_s, fail_s = need.limits["warn_s"], need.limits["fail_s"]
    if off_s >= fail_s:
        return failed("off", off_s, fail_s, off_s=off_s)
    return warned("off", off_s, warn_s, off_s=off_s) if off_s >= warn_s else passed(off_s, warn_s)


CHECK = Check(role="camera", reads=("clock_skew",), decide=decide, mend_min=5, where_told=True, unit="s")
