"""The light of a room, in data."""

from wire.description import ActionSpec, Description, ReadingSpec

DESCRIPTION = Description(
    driver="light",
    roles=("light",),
    readings=(
        ReadingSpec("brightness", unit="percent", low=0, high=100, step=15),
        ReadingSpec("lit", "bool", max_age_s=45, notable=True),
        ReadingSpec("switched_on", "bool", max_age_s=45, notable=True),
    ),
    actions=(
        ActionSpec("switch_on", takes_s=10),
        ActionSpec("switch_off", takes_s=10, dangerous=True),
    ),
)
