"""Does the recording happen: while a session is live, the newest file grows?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed, warned


def decide(room: Evidence, need: Need) -> Finding:
    """Before a session there is nothing to grow; whether there is space is another check's question."""
    still_s, longest_s = room["recording_still"], need.limits["still_s"]
    if not need.live:
        return passed()
    if room["recordings"] == 0 or still_s is None:
        return failed("no_file", 0, 1)
    if still_s >= longest_s:
        return failed("still", still_s, longest_s, still_s=round(still_s))
    if room["recording_grows"] is False:
        return warned("pauses", still_s, longest_s, still_s=round(still_s))
    return passed(still_s, longest_s)


CHECK = Check(
    role="storage", reads=("recordings",), may_lack=("recording_still", "recording_grows"), decide=decide, mend_min=5,
    unit="s",
)  # fmt: skip
