"""What `v4l2-ctl --list-formats-ext` prints, as the formats and the largest picture. Pure."""

import re

from msgspec import Struct

_FORMAT = re.compile(r"^\s*\[\d+\]: '([A-Za-z0-9 ]{1,4}(?:-BE)?)'", re.MULTILINE)
_SIZE = re.compile(
    r"^\s*Size: (?:Discrete|(?:Stepwise|Continuous) \d{1,5}x\d{1,5} -) (\d{1,5})x(\d{1,5})", re.MULTILINE
)
_MOST = 8


class Formats(Struct, frozen=True):
    """Formats in the camera's order, and the largest size of any."""

    names: tuple[str, ...] = ()
    width: int | None = None
    height: int | None = None


def formats_in(text: str) -> Formats:
    """The formats in the program's output; nothing where it lists none."""
    names = tuple(dict.fromkeys(name.strip() for name in _FORMAT.findall(text)))[:_MOST]
    sizes = [(int(width), int(height)) for width, height in _SIZE.findall(text)]
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(None, None))
    return Formats(names, width, height)
