"""The commands of a guide, as they stand there."""

import re

from tests.counterparts.booted import ROOT


def guide_of(name: str) -> str:
    """Its text, by its name in docs."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def commands_in(text: str) -> list[str]:
    """Lines of the shell blocks, without comments, continued lines joined."""
    found: list[str] = []
    for block in re.findall(r"```(?:sh)?\n(.*?)```", text, re.S):
        lines = re.sub(r"\\\n", " ", block).splitlines()
        found += [re.sub(r"\s+#.*$", "", line).strip() for line in lines if line.strip() and not line.startswith("#")]
    return found


def sections_of(name: str) -> dict[str, list[str]]:
    """Heading -> its commands, in the guide's order."""
    parts = re.split(r"(?m)^## (.+)$", guide_of(name))
    return dict(zip(parts[1::2], map(commands_in, parts[2::2]), strict=True))
