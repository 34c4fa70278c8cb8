"""Templates of messages: what is saved can be sent."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.alerts.replies import _WORDS, _plain
from fleet_server.alerts.templates import CHANGEABLE, checked, standing, tried
from fleet_server.errors import Invalid
from fleet_server.texts import LANGS, Lang, translate


@pytest.mark.parametrize("key", CHANGEABLE)
def test_our_own_sentences_are_such_as_could_be_saved(key: str) -> None:
    for lang in LANGS:
        assert checked(lang, key, standing({}, lang, key))


@pytest.mark.parametrize("lang", LANGS)
def test_which_incident_it_is_stands_there_as_it_has_to_be_answered(lang: Lang) -> None:
    """A thousand of them, and more: no thousands are set off in a name."""
    asked = translate(lang, "alerts.reply", number=1_234)
    quoted = re.search(r"[“\"]([^”\"]*1234)[”\"]", asked)
    assert quoted is not None, asked
    found = _WORDS.fullmatch(_plain(quoted[1]))
    assert found is not None and found["number"] == "1234"
    assert "2026" in translate(lang, "minute.numbered", number=1_234, year=2_026)


@given(st.text(max_size=220) | st.lists(st.sampled_from(["{place}", "{what}", "{since}", "{", "}", "{place.__class__}",
       "{place!r}", "{since:>99999}", "{0}", " ", "ở "]), max_size=8).map("".join))  # fmt: skip
def test_whatever_is_saved_can_be_sent_and_shows_every_part_once(text: str) -> None:
    try:
        kept = checked("vi", "line", text)
    except Invalid:
        return
    if not kept:
        return
    shown = tried(kept, "line")
    assert all(str(value) in shown for value in CHANGEABLE["line"].values())
    assert len(shown) <= 400 and "__class__" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "{place} {what}", "{place} {what} {since} {since}", "{place!r} {what} {since}", "{", "x" * 201,
        "{place} {what} {since:99999999}", "{place.upper} {what} {since}", "{place[0]} {what} {since}",
        "{place} {what}\n{since}",
    ],
)  # fmt: skip
def test_a_template_that_could_not_be_sent_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        checked("vi", "line", text)
    with pytest.raises(Invalid):
        checked("vi", "no_such", "")
