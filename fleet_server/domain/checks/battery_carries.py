"""Would the battery carry the room for long enough if the mains failed? On battery another check decides."""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, not_asked, passed


def decide(room: Evidence, need: Need) -> Finding:
    """The runtime that the UPS foresees against the session's share of what is left of it."""
    runtime_s = room["battery_runtime"]
    if not need.in_session or room["power_source"] != "mains":
        return not_asked("not_asked")
    needed_min = round(need.planned_s * need.limits["battery_share"] / 60)
    if runtime_s is None:
        return failed("not_told", None, needed_min, needed_min=needed_min)
    left_min = int(runtime_s // 60)
    if left_min < needed_min:
        return failed("too_short", left_min, needed_min, left_min=left_min, needed_min=needed_min)
    return passed(left_min, needed_min)


CHECK = Check(
    role="ups",
    reads=("power_source",),
    may_lack=("battery_runtime",),
    decide=decide,
    mend_min=180,
    unit="min",
)
