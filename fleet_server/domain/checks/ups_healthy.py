"""Is the UPS well: no alarm, no worn battery, no overload?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, passed, warned


def decide(room: Evidence, need: Need) -> Finding:
    """Warns: the room works, and may not when the mains fail."""
    if room["replace_battery"]:
        return warned("replace_battery", True, False)
    if room["alarm"]:
        return warned("alarm", room["alarm"], "", alarm=room["alarm"])
    load, most = room["load"], need.limits["load_percent"]
    if load is not None and load >= most:
        return warned("overload", load, most, percent=load)
    return passed(load, most)


CHECK = Check(
    role="ups",
    reads=("replace_battery",),
    may_lack=("alarm", "load"),
    decide=decide,
    mend_min=1,
    unit="percent",
)
