"""Work that goes on for ever and may fail for a while: said once when that begins, and with its count when it ends."""

import logging
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError


class Failing:
    """`with failing: …` lets these errors pass by; truthy while the last try failed."""

    def __init__(self, log: logging.Logger, what: str, *errors: type[Exception]) -> None:
        """`what`: for the log, such as `digest_not_made`; `errors`: of the database where none are given."""
        self._log, self._what, self._errors = log, what, errors or (SQLAlchemyError,)
        self._times = 0

    def __bool__(self) -> bool:
        return self._times > 0

    def __enter__(self) -> None:
        """One try."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if isinstance(error, self._errors):
            self._times += 1
            if self._times == 1:
                self._log.error("%s error=%s", self._what, type(error).__name__)
            return True
        if error is None and self._times:
            self._log.info("%s_no_more times=%d", self._what, self._times)
            self._times = 0
        return False
