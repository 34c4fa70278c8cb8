"""A projector or display with PJLink, in data."""

from wire.description import ActionSpec, Description, ParamSpec, ReadingSpec

PARTS = ("fan", "lamp", "temperature", "cover", "filter", "other")
"""What ERST speaks of, in its order (PJLink Specifications 2.00, section 4.7)."""

DESCRIPTION = Description(
    driver="display_pjlink",
    roles=("display",),
    readings=(
        ReadingSpec("power", "choice", values=("off", "on", "cooling", "warming"), max_age_s=45, notable=True),
        ReadingSpec("input", "text", max_age_s=45, notable=True),
        ReadingSpec("input_name", "text", max_age_s=45),
        ReadingSpec("input_right", "bool", max_age_s=45, notable=True),
        ReadingSpec("picture_muted", "bool", max_age_s=45, notable=True),
        ReadingSpec("sound_muted", "bool", max_age_s=45, notable=True),
        ReadingSpec("lamp_hours", unit="h", low=0, max_age_s=300),
        *(
            ReadingSpec(f"{part}_fault", "choice", values=("ok", "warning", "error"), max_age_s=45, notable=True)
            for part in PARTS
        ),
    ),
    actions=(
        ActionSpec("on", takes_s=120),
        ActionSpec("off", takes_s=240, dangerous=True),
        ActionSpec("set_input", params=(ParamSpec("input", "choice"),), takes_s=20, dangerous=True),
    ),
)
