"""What the demo waits for, in one line: it renews itself on a terminal, elsewhere it comes every ten seconds."""

import sys
import time
from typing import TextIO

_EVERY_S = 10.0


class Progress:
    """`show` as often as you like; `clear` before anything else is printed."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._is_terminal = self._stream.isatty()
        self._shown_s = float("-inf")
        self._width = 0

    def show(self, line: str) -> None:
        """Show the line, where it is time for one."""
        now_s = time.monotonic()
        if self._is_terminal:
            self._stream.write(f"\r{line.ljust(self._width)}")
            self._width = len(line)
        elif now_s - self._shown_s >= _EVERY_S:
            self._stream.write(f"{line}\n")
            self._shown_s = now_s
        self._stream.flush()

    def clear(self) -> None:
        """Remove the line from a terminal."""
        if self._is_terminal and self._width:
            self._stream.write(f"\r{' ' * self._width}\r")
            self._width = 0
            self._stream.flush()
