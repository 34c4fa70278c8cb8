"""Equipment with SNMP, in data. A decoder tells the first few readings, a switch those of its ports, a UPS its own."""

from device_drivers.power_readings import POWER_READINGS
from wire.description import ActionSpec, Description, ParamSpec, ReadingSpec

PAUSE_S = 5.0

DESCRIPTION = Description(
    driver="snmp",
    roles=("decoder", "line", "ups"),
    readings=(
        ReadingSpec("uptime", unit="s", low=0, max_age_s=45),
        ReadingSpec("system_name", "text", max_age_s=300),
        ReadingSpec("links_up", low=0, max_age_s=45, step=1),
        ReadingSpec("links_down", low=0, max_age_s=45, step=1),
        ReadingSpec("poe_ports_off", low=0, max_age_s=45, step=1, notable=True),
        *POWER_READINGS,
        ReadingSpec("on_bypass", "bool", max_age_s=45, notable=True),
    ),
    actions=(ActionSpec("cycle_port", params=(ParamSpec("port", "choice"),), takes_s=40, dangerous=True),),
)
