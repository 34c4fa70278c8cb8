"""Whose word counts when a driver speaks HTTPS: the system's authorities, and those of our centre.

OpenSSL reads the file that `SSL_CERT_FILE` names (SSL_CTX_set_default_verify_paths(3)), so that no driver needs a way
of its own to the centre's authorities.
"""

import os
import ssl
from pathlib import Path

from edge_agent.identity import IdentityKeeper, write_private

_FILE = "trusted.crt"


def trust_the_centre(keeper: IdentityKeeper) -> None:
    """For this process. Raises OSError. A renewed authority counts from the next start, while the old still does."""
    if not keeper.identity.authorities or "SSL_CERT_FILE" in os.environ:
        return
    system = ssl.get_default_verify_paths().cafile
    known = Path(system).read_text(encoding="utf-8") if system else ""
    write_private(keeper.folder / _FILE, f"{known}\n{keeper.identity.authorities}")
    os.environ["SSL_CERT_FILE"] = str(keeper.folder / _FILE)
