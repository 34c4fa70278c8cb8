"""Are microphone and speaker of the PC there, unmuted, and turned up?"""

from fleet_server.domain.findings import Check, Evidence, Finding, Need, failed, passed, warned


def decide(room: Evidence, need: Need) -> Finding:
    """The microphone first: a citizen must be heard before they hear."""
    lowest = need.limits["volume_percent"]
    for end in ("mic", "speaker"):
        if not room[f"{end}_present"]:
            return failed(f"{end}_absent", False, True)
        if room[f"{end}_muted"]:
            return failed(f"{end}_muted", True, False)
        volume = room[f"{end}_volume"]
        if volume is not None and volume < lowest:
            return failed(f"{end}_low", volume, lowest, percent=volume)
    for end in ("mic", "speaker"):
        if room[f"{end}_is_default"] is False:
            return warned(f"{end}_not_default", False, True)
    return passed(room["mic_volume"], lowest)


CHECK = Check(
    role="audio",
    reads=("mic_present", "speaker_present"),
    may_lack=("mic_muted", "mic_volume", "mic_is_default", "speaker_muted", "speaker_volume", "speaker_is_default"),
    decide=decide,
    mend_min=3,
    unit="percent",
)
