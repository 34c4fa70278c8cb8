"""Is there room on the disk for the recording of the planned time, with a reserve?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed, warned


def decide(room: Evidence, need: Need) -> Finding:
    """Too little for the planned time fails; less than the reserve warns."""
    gb_an_hour = need.limits["gb_an_hour"]
    free_h = round(room["disk_free"] / 1e9 / gb_an_hour, 1)
    planned_h = need.planned_s / 3600
    if free_h < planned_h:
        return failed("too_little", free_h, planned_h, free_h=free_h, planned_h=planned_h)
    if free_h < planned_h * need.limits["reserve"]:
        return warned("no_reserve", free_h, planned_h, free_h=free_h, planned_h=planned_h)
    return passed(free_h, planned_h)


CHECK = Check(role="pc", reads=("disk_free",), decide=decide, unit="h")
