"""The backup of every night: one that does not come any more is noticed before it is needed."""

from datetime import datetime, timedelta
from pathlib import Path

FILE = "nightly.zip"
"""In the server's folder, as the timer of its services and the guides write it."""
OVERDUE = timedelta(hours=36)


def age_of(folder: Path, now: datetime) -> timedelta | None:
    """Of the last one; None where there never was one."""
    try:
        written_s = (folder / FILE).stat().st_mtime
    except OSError:
        return None
    return timedelta(seconds=now.timestamp() - written_s)


def overdue_h(folder: Path, now: datetime) -> float | None:
    """Hours since the last one, where it is too long ago; None where it is not, or none was ever made."""
    age = age_of(folder, now)
    return age / timedelta(hours=1) if age is not None and age > OVERDUE else None
