"""The commands of a guide, as they stand there."""

import re

from tests.counterparts.booted import ROOT


def guide_of(name: str) -> str:
    """Its text, by its name in docs."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def commands_in(text: str) -> list[str]:
    """Lines of the shell blocks, without comments, continued lines joined."""
    found: list[str] = []
    for kind, block in blocks_in(text):
        if kind not in ("", "sh"):
            continue
        lines = re.sub(r"\\\n", " ", block).splitlines()
        found += [re.sub(r"\s+#.*$", "", line).strip() for line in lines if line.strip() and not line.startswith("#")]
    return found


def blocks_in(text: str) -> list[tuple[str, str]]:
    """Each fenced block: what it says that it is, and what stands in it (CommonMark 0.31, 4.5)."""
    found: list[tuple[str, str]] = []
    kind, inside = None, list[str]()
    for line in text.splitlines():
        fence = re.match(r"\s*```(\w*)\s*$", line)
        if fence is None:
            inside.append(line.strip() if kind is not None else "")
        elif kind is None:
            kind, inside = fence[1], []
        else:
            found.append((kind, "\n".join(inside)))
            kind = None
    assert kind is None, "a block has no end"
    return found


def sections_of(name: str) -> dict[str, list[str]]:
    """Heading -> its commands, in the guide's order."""
    parts = re.split(r"(?m)^## (.+)$", guide_of(name))
    return dict(zip(parts[1::2], map(commands_in, parts[2::2]), strict=True))
