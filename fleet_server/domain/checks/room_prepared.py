"""Is the room prepared as only somebody in it can see? Asked for a session, from half an hour before it on."""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, not_asked, passed

ITEMS = ("lights", "seats", "dossier", "citizen")
"""What whoever is on duty ticks off, in the order in which it can be done."""


def decide(room: Evidence, need: Need) -> Finding:
    """`prepared` names what was ticked off, with spaces between."""
    ticked = str(room["prepared"] or "").split()
    open_items = [item for item in ITEMS if item not in ticked]
    if not open_items:
        return passed(len(ITEMS), len(ITEMS))
    if not need.in_session or need.starts_in_s > need.limits["before_s"]:
        return not_asked("not_yet", len(ITEMS))
    return failed(open_items[0], len(ITEMS) - len(open_items), len(ITEMS), ticked=len(ticked), items=len(ITEMS))


CHECK = Check(role="people", reads=("prepared",), decide=decide, mend_min=5, awaits=ITEMS)
