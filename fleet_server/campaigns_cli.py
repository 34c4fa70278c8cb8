"""diemcau-server releases add, firmware sign, firmware add: what rooms and their devices can be offered."""

import argparse

from fleet_server.campaigns.images import Images
from fleet_server.campaigns.shelf import Shelf
from fleet_server.config import Settings
from fleet_server.errors import BadFile
from fleet_server.texts import translate
from wire.errors import WireError
from wire.firmware import write


def releases(settings: Settings, given: argparse.Namespace) -> int:
    """Take a bundle in; a running server sees it at once. Raises BadFile."""
    parcel = Shelf(settings.releases_folder, settings.release_key).add(given.file)
    print(translate(given.lang, "releases.added", version=parcel.version))
    return 0


def firmware(settings: Settings, given: argparse.Namespace) -> int:
    """Sign an image where the key is, or take a signed one in. Raises BadFile."""
    if given.act == "add":
        found = Images(settings.firmware_folder, settings.release_key).add(given.file).described
        print(translate(given.lang, "firmware.added", version=found.version, family=found.family))
        return 0
    models = tuple(model.strip() for model in (given.models or "").split(",") if model.strip())
    try:
        found = write(given.out, given.file, given.key, family=given.family, version=given.version, models=models)
    except WireError as error:
        raise BadFile("firmware.not_signed", file=str(given.file), detail=str(error)) from error
    print(translate(given.lang, "firmware.signed", file=str(given.out), sha256=found.sha256))
    return 0
