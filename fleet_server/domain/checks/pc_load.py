"""Has the PC strength left for a conference?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, passed, warned


def decide(room: Evidence, need: Need) -> Finding:
    """Warns at the first limit that is passed."""
    limits = need.limits
    heat = room["temperature"]
    if heat is not None and heat >= limits["celsius"]:
        return warned("hot", heat, limits["celsius"], celsius=heat)
    if room["memory"] >= limits["memory_percent"]:
        return warned("memory", room["memory"], limits["memory_percent"], percent=room["memory"])
    if room["cpu"] >= limits["cpu_percent"]:
        return warned("cpu", room["cpu"], limits["cpu_percent"], percent=room["cpu"])
    return passed(room["cpu"], limits["cpu_percent"])


CHECK = Check(role="pc", reads=("cpu", "memory"), may_lack=("temperature",), decide=decide, mend_min=3, unit="percent")
