"""`diemcau-agent enrol`: gets this machine's identity from the centre, and says what a person must compare."""

import os
import sys
from pathlib import Path

from edge_agent.config import load
from edge_agent.enrolment import Centre, enrol
from edge_agent.errors import EnrolmentFailed
from edge_agent.identity import FOLDER
from edge_agent.texts import translate
from wire.identity import short


def enrol_and_print(config: Path, server: str, code: str, fingerprint: str | None, lang: str) -> int:
    """The exit status: 0 with an identity, 1 when a person says no here. Raises AgentError."""
    home = Path(load(config).folder)
    centre = Centre(server, fingerprint)
    if centre.must_show:
        print(translate(lang, "enrol.compare", fingerprint=short(centre.fingerprint())))
        if not sys.stdin.isatty():
            raise EnrolmentFailed(translate(lang, "enrol.no_person"))
        if input(translate(lang, "enrol.same") + " ").strip().lower() not in ("c", "có", "y", "yes"):
            return 1

    def say(what: str, text: str) -> None:
        print(translate(lang, f"enrol.{what}", text=short(text)), flush=True)

    _become_owner(home)
    identity = enrol(home / FOLDER, centre, code, say)
    print(translate(lang, "enrol.done", site=identity.site))
    return 0


def _become_owner(home: Path) -> None:
    """Root types it, and the folder is the agent's: from here on we are that account, and follow its links nowhere that
    it could not go itself."""
    if os.geteuid() != 0 or not home.exists():
        return
    owner = home.stat()
    os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)
