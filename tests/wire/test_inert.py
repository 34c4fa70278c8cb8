"""What strangers write acts on nobody who reads it."""

import io
import logging
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from fleet_server.pages.render import _ENVIRONMENT
from wire.inert import InertFormatter, inert

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
HARMFUL = st.text(st.sampled_from("\x00\x07\x08\x1b\x7f\x85\u2028\u2029\r\n\ta<é" + BIDI), max_size=30)


@given(st.text() | HARMFUL)
def test_no_control_or_bidirectional_character_is_left(text: str) -> None:
    shown = inert(text)
    assert not [each for each in shown if each in BIDI or (unicodedata.category(each) == "Cc" and each not in "\n\t")]
    assert len(shown) == len(text)
    assert inert(shown) == shown


def test_vietnamese_stays_as_it_is() -> None:
    text = "Phường Hạc Thành – Đặng Thị Ngọc Thịnh\n10 m²"
    assert inert(text) == text and inert(unicodedata.normalize("NFD", text)) == unicodedata.normalize("NFD", text)


@given(st.text() | HARMFUL)
def test_a_record_is_one_line_whatever_a_device_has_put_into_it(text: str) -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(InertFormatter("%(levelname)s %(message)s"))
    handler.handle(logging.LogRecord("x", logging.INFO, "x", 1, "device_lost device=%s", (text,), None))
    assert out.getvalue().count("\n") == 1 and out.getvalue().endswith("\n")
    assert "\x1b" not in out.getvalue() and len(out.getvalue().splitlines()) == 1


def test_a_template_shows_nothing_that_acts() -> None:
    shown = _ENVIRONMENT.from_string("{{ name }}").render(name="cam\u202eexe.<script>\x1b[2J")
    assert shown == "cam\ufffdexe.&lt;script&gt;\ufffd[2J"
