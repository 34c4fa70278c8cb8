"""The centre's word under a file: one line after its end, which readers of PDF pass over."""

import hashlib
from collections.abc import Iterable

from fleet_server.errors import BadFile
from wire.announcements import MinuteSeal
from wire.codec import decode
from wire.errors import WireError
from wire.signing import PinnedKeys
from wire.topics import Announced

_MARK = b"\n%diemcau-seal "
_LONGEST_BYTES = 2_000


def digest(content: bytes) -> str:
    """SHA-256 of what is sealed."""
    return hashlib.sha256(content).hexdigest()


def sealed(content: bytes, seal: bytes) -> bytes:
    """The file with its seal."""
    return content + _MARK + seal + b"\n"


def opened(file: bytes, public_keys: Iterable[str]) -> MinuteSeal:
    """The seal of a file that is as it was sealed. Raises BadFile with what is wrong."""
    at = file.rfind(_MARK)
    line = file[at + len(_MARK) :]
    if at < 0 or len(line) > _LONGEST_BYTES or not line.endswith(b"\n") or line.count(b"\n") != 1:
        raise BadFile("minutes.no_seal")
    try:
        found = decode(Announced.MINUTE, PinnedKeys(public_keys).open(Announced.MINUTE, line[:-1]))
    except WireError as error:
        raise BadFile("minutes.wrong_seal", detail=str(error)) from error
    assert isinstance(found, MinuteSeal)
    if found.sha256 != digest(file[:at]):
        raise BadFile("minutes.changed")
    return found
