"""The line to the centre, in data."""

from wire.description import ActionSpec, Description, ParamSpec, ReadingSpec

_A_DAY_S = 86_400

DESCRIPTION = Description(
    driver="line",
    roles=("line",),
    readings=(
        ReadingSpec("latency", unit="ms", low=0, max_age_s=45, step=80),
        ReadingSpec("jitter", unit="ms", low=0, max_age_s=45, step=40),
        ReadingSpec("loss", unit="percent", low=0, high=100, max_age_s=45, step=5),
        ReadingSpec("bandwidth_down", unit="mbit_s", low=0, max_age_s=_A_DAY_S, step=0.1),
        ReadingSpec("bandwidth_up", unit="mbit_s", low=0, max_age_s=_A_DAY_S, step=0.1),
        ReadingSpec("bandwidth_method", "choice", values=("tcp_1",), max_age_s=_A_DAY_S),
    ),
    # The ticket is the centre's leave to send: rooms that measured when they liked would fill the hub's line.
    actions=(
        ActionSpec("measure_bandwidth", params=(ParamSpec("ticket", max_length=64),), takes_s=40, by_centre=True),
    ),
)
