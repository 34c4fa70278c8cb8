"""The recording's disk, in data."""

from wire.description import ActionSpec, Description, ParamSpec, ReadingSpec

DESCRIPTION = Description(
    driver="storage",
    roles=("storage",),
    readings=(
        ReadingSpec("writable", "bool", max_age_s=150, notable=True),
        ReadingSpec("space_free", unit="bytes", low=0, max_age_s=45, step=1e9),
        ReadingSpec("space_used", unit="percent", low=0, high=100, max_age_s=45, step=5),
        ReadingSpec("recording_hours", unit="h", low=0, max_age_s=45, step=0.5),
        ReadingSpec("recording_still", unit="s", low=0, max_age_s=45, step=30),
        ReadingSpec("recording_grows", "bool", max_age_s=45, notable=True),
        ReadingSpec("recordings", low=0, max_age_s=45, step=1),
        ReadingSpec("smart_healthy", "bool", max_age_s=1800, notable=True),
        ReadingSpec("disk_temperature", unit="celsius", low=-40, high=150, max_age_s=1800),
        ReadingSpec("disk_hours", unit="h", low=0, max_age_s=1800),
    ),
    actions=(
        ActionSpec("make_manifest", takes_s=3600),
        ActionSpec("verify_manifest", params=(ParamSpec("manifest", max_length=40),), takes_s=3600),
        ActionSpec(
            "seal_recordings",
            params=(ParamSpec("from_s", "number", low=0), ParamSpec("to_s", "number", low=0)),
            takes_s=3600,
            by_centre=True,
        ),
    ),
)
