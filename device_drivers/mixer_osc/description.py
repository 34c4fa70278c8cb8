"""A network mixer, in data."""

from wire.description import ActionSpec, Description, ParamSpec, ReadingSpec

LOWEST_DB, HIGHEST_DB = -90.0, 10.0
"""What a fader of these mixers can be set to; at the lowest it is closed."""

_TARGET = ParamSpec("target", "choice")
"""`main` or a channel; which there are, the device itself says."""

DESCRIPTION = Description(
    driver="mixer_osc",
    roles=("mixer",),
    readings=(
        ReadingSpec("main_muted", "bool", max_age_s=45, notable=True),
        ReadingSpec("main_fader", unit="db", low=LOWEST_DB, high=HIGHEST_DB, max_age_s=45, step=6),
        ReadingSpec("mic_muted", "bool", max_age_s=45, notable=True),
        ReadingSpec("mic_fader", unit="db", low=LOWEST_DB, high=HIGHEST_DB, max_age_s=45, step=6),
        ReadingSpec("muted_channels", "text", max_age_s=45),
        ReadingSpec("input_level", unit="dbfs", low=-128, high=40, max_age_s=45),
        ReadingSpec("scene", max_age_s=45, notable=True),
    ),
    actions=(
        ActionSpec("mute", params=(_TARGET,), takes_s=4, dangerous=True),
        ActionSpec("unmute", params=(_TARGET,), takes_s=4),
        ActionSpec("set_fader", params=(_TARGET, ParamSpec("level", "number", low=LOWEST_DB, high=0.0)), takes_s=4),
        ActionSpec("recall_scene", params=(ParamSpec("scene", "number", low=0, high=99),), takes_s=6, dangerous=True),
    ),
)
