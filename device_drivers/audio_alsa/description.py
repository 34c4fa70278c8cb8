"""Microphone and speakers on a PC, in data."""

from wire.description import ActionSpec, Description, ParamSpec, ReadingSpec

DESCRIPTION = Description(
    driver="audio_alsa",
    roles=("audio",),
    readings=(
        ReadingSpec("mic_present", "bool", max_age_s=45, notable=True),
        ReadingSpec("mic_is_default", "bool", max_age_s=45, notable=True),
        ReadingSpec("mic_muted", "bool", max_age_s=45, notable=True),
        ReadingSpec("mic_volume", unit="percent", low=0, high=200, max_age_s=45, step=10),
        ReadingSpec("speaker_present", "bool", max_age_s=45, notable=True),
        ReadingSpec("speaker_is_default", "bool", max_age_s=45, notable=True),
        ReadingSpec("speaker_muted", "bool", max_age_s=45, notable=True),
        ReadingSpec("speaker_volume", unit="percent", low=0, high=200, max_age_s=45, step=10),
    ),
    actions=(
        ActionSpec("measure_level", takes_s=10),
        ActionSpec("unmute", params=(ParamSpec("target", "choice", values=("microphone", "speaker")),), takes_s=10),
    ),
)
"""The level is a result of its action and no reading: nobody listens to a room that has not been asked to."""
