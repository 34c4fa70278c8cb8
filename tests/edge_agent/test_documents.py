"""Small documents on a disk that loses what it was given."""

from pathlib import Path

import pytest

from edge_agent.documents import Documents
from edge_agent.errors import StoreBroken

SPOILT = ["", "[]", "{", '"x"', "null", "\x00\x00"]


@pytest.mark.parametrize("spoilt", SPOILT)
def test_what_comes_again_is_put_aside_when_it_is_spoilt(tmp_path: Path, spoilt: str) -> None:
    (tmp_path / "documents.json").write_text(spoilt)
    kept = Documents(tmp_path, comes_again=True)
    assert kept.get("config") is None
    kept.put("config", {"revision": "1"})
    kept.close()
    again = Documents(tmp_path, comes_again=True)
    assert again.get("config") == {"revision": "1"}
    again.close()
    assert (tmp_path / "documents.broken").read_text() == spoilt


@pytest.mark.parametrize("spoilt", SPOILT)
def test_what_nobody_can_say_again_is_left_as_it_is(tmp_path: Path, spoilt: str) -> None:
    (tmp_path / "documents.json").write_text(spoilt)
    kept = Documents(tmp_path)
    with pytest.raises(StoreBroken):
        kept.get("identity")
    assert (tmp_path / "documents.json").read_text() == spoilt


def test_a_document_without_a_body_is_none(tmp_path: Path) -> None:
    (tmp_path / "documents.json").write_text('{"_default": {"1": {"name": "config"}}}')
    kept = Documents(tmp_path)
    assert kept.get("config") is None
    kept.close()
