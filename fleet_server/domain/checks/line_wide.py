"""Does the line carry what its contract says? Measured within the last day, by leave of the centre."""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, not_asked, passed, warned


def decide(room: Evidence, need: Need) -> Finding:
    """Too narrow for a conference fails; less than its contract, or not measured before a session, warns."""
    for way in ("up", "down"):  # a citizen must be seen and heard before they see and hear
        measured, contract = room[f"bandwidth_{way}"], need.limits.get(f"contract_{way}_mbit_s")
        if measured is None:
            return warned("not_measured", None, contract) if need.in_session else not_asked("not_yet", contract)
        least = need.limits["least_mbit_s"]
        if measured < least:
            return failed(f"narrow_{way}", measured, least, measured=measured, needed=least)
        if contract is not None and measured < contract * need.limits["share_of_contract"]:
            return warned(f"below_{way}", measured, contract, measured=measured, contract=contract)
    return passed(room["bandwidth_up"], need.limits.get("contract_up_mbit_s"))


CHECK = Check(
    role="line",
    reads=("latency",),
    may_lack=("bandwidth_down", "bandwidth_up"),
    decide=decide,
    mend_min=120,
    where_told=True,
    unit="mbit_s",
    awaits=("not_measured",),
)
