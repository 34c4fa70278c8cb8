"""Will the power last? On battery a room is still ready if the battery outlasts the session."""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed, warned


def decide(room: Evidence, need: Need) -> Finding:
    """On mains all is well while the battery is charged; on battery its runtime decides."""
    source, runtime_s, charge = room["power_source"], room["battery_runtime"], room["battery_charge"]
    needed_min = round(need.planned_s / 60)
    if source == "off":
        return failed("off", source, "mains")
    if source == "mains":
        low = need.limits["low_charge_percent"]
        if charge is not None and charge < low:
            return warned("charging", charge, low, percent=charge)
        return passed("mains", "mains")
    if runtime_s is None:
        return failed("on_battery_unknown", source, needed_min, needed_min=needed_min)
    left_min = int(runtime_s // 60)
    judged = warned if left_min >= needed_min else failed
    return judged("on_battery", left_min, needed_min, left_min=left_min, needed_min=needed_min)


CHECK = Check(
    role="ups",
    reads=("power_source",),
    may_lack=("battery_runtime", "battery_charge"),
    decide=decide,
    mend_min=60,
    unit="min",
)
