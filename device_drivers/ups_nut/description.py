"""A UPS behind upsd, in data. Its actions are not here: upsd lists them."""

from device_drivers.power_readings import POWER_READINGS
from wire.description import Description, ReadingSpec

DESCRIPTION = Description(
    driver="ups_nut",
    roles=("ups",),
    readings=(
        *POWER_READINGS,
        ReadingSpec("alarm", "text", max_age_s=45, notable=True),
        ReadingSpec("beeper", "choice", values=("enabled", "disabled", "muted"), max_age_s=45),
        ReadingSpec("battery_test", "text", max_age_s=45),
    ),
)
