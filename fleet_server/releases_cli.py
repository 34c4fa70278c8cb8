"""diemcau-server releases add: what rooms can be offered."""

import argparse

from fleet_server.config import Settings
from fleet_server.releases.shelf import Shelf
from fleet_server.texts import translate


def releases(settings: Settings, given: argparse.Namespace) -> int:
    """Take a bundle in; a running server sees it at once. Raises BadFile."""
    bundle = Shelf(settings.releases_folder, settings.release_key).add(given.file)
    print(translate(given.lang, "releases.added", version=bundle.version))
    return 0
