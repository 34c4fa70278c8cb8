"""Can the recording's disk be written, and does it think itself well?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed, warned


def decide(room: Evidence, need: Need) -> Finding:
    """Not writable fails; a disk that foresees its own end, or is hot, warns. No opinion is no fault."""
    if not room["writable"]:
        return failed("not_writable", False, True)
    if room["smart_healthy"] is False:
        return warned("failing", False, True)
    celsius, hot = room["disk_temperature"], need.limits["celsius"]
    if celsius is not None and celsius >= hot:
        return warned("hot", celsius, hot, celsius=celsius)
    return passed(True, True)


CHECK = Check(
    role="storage",
    reads=("writable",),
    may_lack=("smart_healthy", "disk_temperature"),
    decide=decide,
    mend_min=45,
)
