"""Does the camera show a living picture of the room?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed


def decide(room: Evidence, need: Need) -> Finding:
    """No frame, a dark one, a blank one, or one that has not changed for too long."""
    limits = need.limits
    if not room["frame"]:
        return failed("no_frame", False, True)
    brightness, contrast, still_s = room["brightness"], room["contrast"], room["frame_unchanged"]
    if brightness is None or contrast is None or still_s is None:
        return failed("no_frame", False, True)
    if still_s >= limits["frozen_s"]:
        return failed("frozen", still_s, limits["frozen_s"], still_s=still_s)
    if brightness < limits["dark_percent"]:
        return failed("dark", brightness, limits["dark_percent"], percent=brightness)
    if contrast < limits["flat_percent"]:
        return failed("blank", contrast, limits["flat_percent"], percent=contrast)
    return passed(brightness, limits["dark_percent"])


CHECK = Check(
    role="camera",
    where_told=True,
    reads=("frame",),
    may_lack=("brightness", "contrast", "frame_unchanged"),
    decide=decide,
    mend_min=10,
    unit="percent",
)
