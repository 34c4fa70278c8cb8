"""Can the line carry speech and picture now: how long, how evenly, and how much is lost?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed, warned

_MEASURES = ("loss", "latency", "jitter")
"""What hurts a talk most comes first."""


def decide(room: Evidence, need: Need) -> Finding:
    """Above a `fail` limit it fails, above a `warn` limit it warns."""
    for judged, level in ((failed, "fail"), (warned, "warn")):
        for measure in _MEASURES:
            value, most = room[measure], need.limits[f"{measure}_{level}"]
            if value >= most:
                return judged(measure, value, most, "percent" if measure == "loss" else "ms", value=value)
    return passed(room["latency"], need.limits["latency_warn"])


CHECK = Check(role="line", reads=_MEASURES, decide=decide, mend_min=60, where_told=True, unit="ms")
