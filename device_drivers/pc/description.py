"""The room's PC, in data."""

from wire.description import ActionSpec, Description, ParamSpec, ReadingSpec

DESCRIPTION = Description(
    driver="pc",
    roles=("pc",),
    readings=(
        ReadingSpec("cpu", unit="percent", low=0, high=100, step=40),
        ReadingSpec("memory", unit="percent", low=0, high=100, step=20),
        ReadingSpec("disk_free", unit="bytes", low=0, step=1e9),
        ReadingSpec("disk_used", unit="percent", low=0, high=100, step=5),
        ReadingSpec("temperature", unit="celsius", step=10),
        ReadingSpec("uptime", unit="s", low=0),
        ReadingSpec("clock_offset", unit="s", step=2, max_age_s=180),
        ReadingSpec("link_up", "bool", notable=True),
        ReadingSpec("link_speed", unit="mbit_s", low=0, step=1),
        ReadingSpec("conference_running", "bool", notable=True),
        ReadingSpec("usb_camera", "bool", notable=True),
        ReadingSpec("usb_audio", "bool", notable=True),
        ReadingSpec("external_disk", "bool", notable=True),
    ),
    actions=(
        ActionSpec("restart_service", params=(ParamSpec("service"),), takes_s=60),
        ActionSpec("reboot", takes_s=600, blind_s=120, dangerous=True),
    ),
)
