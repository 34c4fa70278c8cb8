"""Is the USB camera plugged in? Whether its picture is good shows when somebody asks for a frame."""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed


def decide(room: Evidence, need: Need) -> Finding:
    """The PC sees it."""
    return passed(True, True) if room["present"] else failed("absent", False, True)


CHECK = Check(role="camera", reads=("present",), decide=decide, mend_min=3, where_told=True)
