"""Is there space at the hub to keep the recordings of every room of the session?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, not_asked, passed


def decide(room: Evidence, need: Need) -> Finding:
    """The hours that the hub's disks have left, at one room's rate, against the planned hours of all rooms."""
    rooms = need.limits.get("rooms", 0)
    if not need.in_session or rooms == 0:
        return not_asked("not_asked")
    free_h, needed_h = room["recording_hours"], round(need.planned_s / 3_600 * rooms, 1)
    if free_h < needed_h:
        return failed("too_little", free_h, needed_h, free_h=free_h, needed_h=needed_h, rooms=rooms)
    return passed(free_h, needed_h)


CHECK = Check(role="storage", reads=("recording_hours",), decide=decide, mend_min=60, unit="h")
