"""Does the mixer let the citizen be heard: nothing muted, no fader closed?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed


def decide(room: Evidence, need: Need) -> Finding:
    """The main output first, because with it muted no channel matters."""
    if room["main_muted"]:
        return failed("main_muted", True, False)
    if room["mic_muted"]:
        return failed("mic_muted", True, False, channels=room["muted_channels"] or "?")
    lowest_db = need.limits["lowest_db"]
    for part in ("main", "mic"):
        fader_db = room[f"{part}_fader"]
        if fader_db is not None and fader_db < lowest_db:
            return failed(f"{part}_low", fader_db, lowest_db, fader_db=fader_db)
    return passed(room["mic_fader"], lowest_db)


CHECK = Check(
    role="mixer",
    reads=("main_muted", "mic_muted"),
    may_lack=("main_fader", "mic_fader", "muted_channels"),
    decide=decide,
    mend_min=2,
    unit="db",
)
