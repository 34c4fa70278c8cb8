"""Is there room on the recording's disk for the planned time, with a reserve?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed, warned


def decide(room: Evidence, need: Need) -> Finding:
    """Too little for the planned time fails; less than the reserve warns."""
    free_h = room["recording_hours"]
    planned_h = round(need.planned_s / 3600, 1)
    if free_h < planned_h:
        return failed("too_little", free_h, planned_h, free_h=free_h, planned_h=planned_h)
    if free_h < planned_h * need.limits["reserve"]:
        return warned("no_reserve", free_h, planned_h, free_h=free_h, planned_h=planned_h)
    return passed(free_h, planned_h)


CHECK = Check(role="storage", reads=("recording_hours",), decide=decide, mend_min=20, unit="h")
