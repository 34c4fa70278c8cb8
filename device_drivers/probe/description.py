"""A probe of a port or a page, in data."""

from wire.description import Description, ReadingSpec

DESCRIPTION = Description(
    driver="probe",
    roles=("decoder", "line", "display", "storage"),
    readings=(
        ReadingSpec("response_time", unit="ms", low=0, max_age_s=45),
        ReadingSpec("http_status", low=100, high=599, max_age_s=45),
    ),
)
