"""A USB camera, in data. Of a picture only numbers are kept."""

from wire.description import ActionSpec, Description, ReadingSpec

DESCRIPTION = Description(
    driver="camera_usb",
    roles=("camera",),
    readings=(
        ReadingSpec("present", "bool", max_age_s=45, notable=True),
        ReadingSpec("in_use", "bool", max_age_s=45, notable=True),
        ReadingSpec("held_by", "text", max_age_s=45),
        ReadingSpec("formats", "text", max_age_s=180),
        ReadingSpec("width", unit="px", low=0, max_age_s=180),
        ReadingSpec("height", unit="px", low=0, max_age_s=180),
        ReadingSpec("brightness", unit="percent", low=0, high=100, max_age_s=600),
        ReadingSpec("contrast", unit="percent", low=0, high=100, max_age_s=600),
    ),
    actions=(ActionSpec("measure_frame", takes_s=15),),
)
