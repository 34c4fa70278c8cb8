"""An ONVIF camera, in data. Of a picture only numbers are kept."""

from wire.description import ActionSpec, Description, ParamSpec, ReadingSpec

DESCRIPTION = Description(
    driver="camera_onvif",
    roles=("camera",),
    readings=(
        ReadingSpec("clock_skew", unit="s", step=5, max_age_s=180),
        ReadingSpec("profiles", max_age_s=180),
        ReadingSpec("width", unit="px", max_age_s=180),
        ReadingSpec("height", unit="px", max_age_s=180),
        ReadingSpec("stream", "text", max_age_s=180),
        ReadingSpec("ntp_server", "text", max_age_s=180),
        ReadingSpec("frame", "bool", notable=True),
        ReadingSpec("brightness", unit="percent", low=0, high=100, step=15),
        ReadingSpec("contrast", unit="percent", low=0, high=100, step=10),
        ReadingSpec("frame_unchanged", unit="s", low=0, step=20),
    ),
    actions=(
        ActionSpec("reboot", blind_s=60, takes_s=240, dangerous=True),
        ActionSpec("go_to_preset", params=(ParamSpec("preset"),), takes_s=20),
        ActionSpec("set_ntp", params=(ParamSpec("server", max_length=253),), takes_s=20),
        ActionSpec(
            "upgrade_firmware", params=(ParamSpec("image", max_length=64), ParamSpec("version", max_length=60)),
            blind_s=300, takes_s=1_200, dangerous=True, needs_proof=True, by_centre=True,
        ),
    ),
)  # fmt: skip
