"""What every UPS tells, whichever protocol carries it: the checks of the role `ups` read these."""

from wire.description import ReadingSpec

POWER_READINGS = (
    ReadingSpec("power_source", "choice", values=("mains", "battery", "off"), max_age_s=45, notable=True),
    ReadingSpec("battery_charge", unit="percent", low=0, high=100, max_age_s=45, step=5),
    ReadingSpec("battery_runtime", unit="s", low=0, max_age_s=45, step=60),
    ReadingSpec("battery_low", "bool", max_age_s=45, notable=True),
    ReadingSpec("replace_battery", "bool", max_age_s=45, notable=True),
    ReadingSpec("load", unit="percent", low=0, max_age_s=45, step=20),
    ReadingSpec("input_voltage", unit="volt", low=0, max_age_s=45, step=20),
)
