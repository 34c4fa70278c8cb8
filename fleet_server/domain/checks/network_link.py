"""Is the PC on the network, by a link that can carry a conference?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed, warned

_SLOW_MBIT_S = 100


def decide(room: Evidence, need: Need) -> Finding:
    """A port that negotiated 10 Mbit/s mostly has a bad cable."""
    if not room["link_up"]:
        return failed("down", False, True)
    speed = room["link_speed"]
    if speed is not None and speed < _SLOW_MBIT_S:
        return warned("slow", speed, _SLOW_MBIT_S, mbit_s=speed)
    return passed(True, True)


CHECK = Check(role="pc", reads=("link_up",), may_lack=("link_speed",), decide=decide)
