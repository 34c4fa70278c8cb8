"""Equipment with SNMP, in data. A decoder tells the first few readings, a switch those of its ports, a UPS its own."""

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
        ReadingSpec("power_source", "choice", values=("mains", "battery", "off"), max_age_s=45, notable=True),
        ReadingSpec("battery_charge", unit="percent", low=0, high=100, max_age_s=45, step=5),
        ReadingSpec("battery_runtime", unit="s", low=0, max_age_s=45, step=60),
        ReadingSpec("battery_low", "bool", max_age_s=45, notable=True),
        ReadingSpec("replace_battery", "bool", max_age_s=45, notable=True),
        ReadingSpec("load", unit="percent", low=0, max_age_s=45, step=20),
        ReadingSpec("input_voltage", unit="volt", low=0, max_age_s=45, step=20),
        ReadingSpec("on_bypass", "bool", max_age_s=45, notable=True),
    ),
    actions=(ActionSpec("cycle_port", params=(ParamSpec("port", "choice"),), takes_s=40, dangerous=True),),
)
