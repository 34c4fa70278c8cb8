"""Texts from devices and from strangers, made harmless for eyes, terminals and log files.

Control characters can begin a new line in a log or command a terminal; bidirectional ones can make a name read as
another (Unicode Standard Annex #9). Neither belongs into what we show: each is shown as U+FFFD.
"""

import logging
import re

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSEEN = "\u200b\u2060\ufeff"
_HARMFUL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{_BIDI}{_UNSEEN}]")
_IN_A_LINE = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{_BIDI}{_UNSEEN}]")


def inert(text: str) -> str:
    """The text without what would act; line ends and tabs stay."""
    return _HARMFUL.sub("\ufffd", text)


class InertFormatter(logging.Formatter):
    """One line for each record, whatever a device has put into it; only our own tracebacks have more."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record's line."""
        return _IN_A_LINE.sub("\ufffd", super().formatMessage(record))


def log_to_stderr() -> None:
    """Log everything from INFO on, a line for each."""
    handler = logging.StreamHandler()
    handler.setFormatter(InertFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
