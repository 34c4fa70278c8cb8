"""diemcau-server minute verify FILE."""

import argparse

from fleet_server.config import Settings
from fleet_server.minutes.seal import opened
from fleet_server.signing.process import known_keys_of
from fleet_server.texts import translate


def minute(settings: Settings, given: argparse.Namespace) -> int:
    """Whether a file is as this server has sealed it. Raises BadFile, SignerGone, OSError."""
    keys = known_keys_of(settings.keys_folder, settings.signer_socket)
    found = opened(given.file.read_bytes(), keys)
    print(translate(given.lang, "minute.verified", minute=found.minute, session=found.session, at=found.at.isoformat()))
    print(f"SHA-256 {found.sha256}")
    return 0
