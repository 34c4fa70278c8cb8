"""A part of each day in which something may be done, such as `20:00-05:00`; it may cross midnight. Pure."""

import re
from datetime import time

from msgspec import Struct

_FORM = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class Window(Struct, frozen=True):
    """From a time of day until another; the whole day where both are the same."""

    begins: time
    ends: time

    def holds(self, moment: time) -> bool:
        """Whether it is open then, by the clock on the wall."""
        if self.begins == self.ends:
            return True
        if self.begins < self.ends:
            return self.begins <= moment < self.ends
        return moment >= self.begins or moment < self.ends


ALWAYS = Window(time(0), time(0))


def window_in(text: str) -> Window | None:
    """`20:00-05:00`; nothing is always. None for what is no window."""
    if not text:
        return ALWAYS
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    begins_h, begins_min, ends_h, ends_min = (int(part) for part in found.groups())
    return Window(time(begins_h, begins_min), time(ends_h, ends_min))
