"""Is the hub's line wide enough for every room that is joined at the time?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, not_asked, passed


def decide(room: Evidence, need: Need) -> Finding:
    """`rooms_mbit_s`, what all sessions then take each way, against the narrower way of the hub's contract."""
    wanted = room["rooms_mbit_s"]
    contract = [need.limits[key] for key in ("contract_down_mbit_s", "contract_up_mbit_s") if key in need.limits]
    if wanted is None or not need.in_session or not contract:
        return not_asked("not_asked")
    has = min(contract)
    return passed(has, wanted) if wanted <= has else failed("too_narrow", has, wanted, has=has, wanted=wanted)


CHECK = Check(role="centre", reads=("rooms_mbit_s",), decide=decide, mend_min=1_440, unit="mbit_s")
