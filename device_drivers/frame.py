"""A picture as numbers. The picture itself is dropped here and goes no further."""

import hashlib
import io

from msgspec import Struct
from PIL import Image, ImageStat

from device_drivers.errors import BadAnswer

_MAX_PIXELS = 40_000_000


class FrameNumbers(Struct, frozen=True):
    """Brightness and contrast in percent of full scale, and a fingerprint that equals only for the same picture."""

    brightness: float
    contrast: float
    fingerprint: bytes


def numbers_of(jpeg: bytes) -> FrameNumbers:
    """Numbers of an encoded picture. Raises BadAnswer when it is none."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG", "PNG")) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                raise BadAnswer(f"snapshot of {picture.width} x {picture.height} pixels, too large to judge")
            picture.draft("L", (320, 240))
            grey = picture.convert("L")
            grey.thumbnail((320, 240))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadAnswer(f"the snapshot is no picture: {str(error)[:80]}") from error
    seen = ImageStat.Stat(grey)
    return FrameNumbers(
        brightness=round(seen.mean[0] / 2.55, 1),
        contrast=round(seen.stddev[0] / 1.275, 1),
        fingerprint=hashlib.sha256(grey.tobytes()).digest(),
    )
