"""Is it light enough to see the citizen?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, Outcome, failed, passed, warned


def decide(room: Evidence, need: Need) -> Finding:
    """The camera's brightness where it is known, for that is what the others see; else the sensor's word."""
    if room["state"] != "ok":
        return Finding(Outcome.UNKNOWN, "no_evidence")
    percent, lit = room["brightness"], room["lit"]
    if percent is None:
        if lit is None:
            return Finding(Outcome.UNKNOWN, "no_evidence")
        return passed(lit, True) if lit else failed("off", lit, True)
    dark, dim = need.limits["dark_percent"], need.limits["dim_percent"]
    if percent < dark:
        return failed("dark", percent, dark, percent=percent)
    return warned("dim", percent, dim, percent=percent) if percent < dim else passed(percent, dim)


CHECK = Check(
    role="light",
    reads=("state",),
    may_lack=("brightness", "lit"),
    decide=decide,
    mend_min=3,
    unit="percent",
)
