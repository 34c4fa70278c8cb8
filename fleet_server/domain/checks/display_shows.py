"""Does the display show what the PC sends?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed, warned

_FAULTS = ("lamp_fault", "temperature_fault", "fan_fault", "cover_fault", "filter_fault", "other_fault")


def decide(room: Evidence, need: Need) -> Finding:
    """On, on the right input, not blanked; then what it says of itself."""
    power = room["power"]
    if power != "on":
        return warned(power, power, "on") if power == "warming" else failed(power, power, "on")
    if room["input_right"] is False:
        shown = room["input_name"] or room["input"]
        return failed("wrong_input", shown, input=shown)
    if room["picture_muted"]:
        return failed("blanked", True, False)
    for level, verdict in (("error", failed), ("warning", warned)):
        for fault in _FAULTS:
            if room[fault] == level:
                return verdict(fault, level, "ok")
    return passed(power, "on")


CHECK = Check(
    role="display",
    reads=("power",),
    may_lack=("input", "input_name", "input_right", "picture_muted", *_FAULTS),
    decide=decide,
    mend_min=5,
)
