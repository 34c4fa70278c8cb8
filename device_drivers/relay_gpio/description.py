"""Relays and contacts on pins, in data."""

from wire.description import ActionSpec, Description, ParamSpec, ReadingSpec

OUTPUTS = ("output_1", "output_2", "output_3", "output_4")
INPUTS = ("door_open", "motion", "light_on", "contact_1", "contact_2")
LONGEST_PAUSE_S = 120

_OUTPUT = ParamSpec("output", "choice")
"""Which outputs there are, the room's configuration says."""

DESCRIPTION = Description(
    driver="relay_gpio",
    roles=("relay",),
    readings=(
        *(ReadingSpec(name, "bool", max_age_s=45, notable=True) for name in OUTPUTS),
        *(ReadingSpec(name, "bool", max_age_s=45, notable=name != "motion") for name in INPUTS),
    ),
    actions=(
        ActionSpec("power_cycle", params=(_OUTPUT,), takes_s=LONGEST_PAUSE_S + 10, dangerous=True),
        ActionSpec("power_on", params=(_OUTPUT,), takes_s=5),
        ActionSpec("power_off", params=(_OUTPUT,), takes_s=5, dangerous=True),
    ),
)
