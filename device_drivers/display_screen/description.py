"""A screen of the PC, in data."""

from wire.description import ActionSpec, Description, ParamSpec, ReadingSpec

INPUTS = {"vga1": 0x01, "dvi1": 0x03, "dp1": 0x0F, "dp2": 0x10, "hdmi1": 0x11, "hdmi2": 0x12}
"""Names of the inputs of a monitor and their values (VESA MCCS 2.2a, VCP code 60h)."""

DESCRIPTION = Description(
    driver="display_screen",
    roles=("display",),
    readings=(
        ReadingSpec("power", "choice", values=("off", "on"), max_age_s=45, notable=True),
        ReadingSpec("connector", "text", max_age_s=45),
        ReadingSpec("width", unit="px", low=0, max_age_s=45),
        ReadingSpec("height", unit="px", low=0, max_age_s=45),
    ),
    actions=(
        ActionSpec("on", takes_s=30),
        ActionSpec("off", takes_s=30, dangerous=True),
        ActionSpec(
            "set_input", params=(ParamSpec("input", "choice", values=tuple(INPUTS)),), takes_s=30, dangerous=True
        ),
    ),
)
