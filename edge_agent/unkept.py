"""What the log could not keep is said once when it begins and once when it is over, and stops nobody."""

import logging
import sqlite3
from types import TracebackType

log = logging.getLogger("diemcau.log")


class Unkept:
    """`with unkept: …` lets an error of the store pass by, and counts it; threads may share one."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        """One try."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if isinstance(error, sqlite3.Error):
            self.count += 1
            if self.count == 1:
                log.error("events_not_kept error=%s", error)
            return True
        if error is None and self.count:
            log.warning("events_kept_again lost=%d", self.count)
            self.count = 0
        return False
