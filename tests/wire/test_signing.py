"""Laws of the signature: a room takes the exact bytes that its centre has signed, and nothing else at all."""

import base64
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from tests.counterparts.identity import KEY, NEXT_KEY, PUBLIC
from wire.codec import MAX_MESSAGE_BYTES
from wire.errors import NotAuthentic, TooLarge, UnknownKey, Unsigned, WireError, WrongSignature
from wire.fields import PublicKey
from wire.signing import PinnedKeys, key_id, public_key_of, sign
from wire.topics import Kind, Said, Told

STRANGER = SigningKey(b"a key that no room of ours knows")
PINNED = PinnedKeys(PUBLIC)
BODY = b'{"id":"a.b","action":"beeper.mute"}'
SIGNED = sign(KEY, Told.COMMAND, BODY)
KINDS: list[Kind] = [*Said, *Told]
FORM, NAME, SIGNATURE, _ = SIGNED.split(b".", 3)
WEAK = b"\x01" + bytes(31)
"""The neutral point of the curve: as a key it would let everybody sign everything."""

kinds = st.sampled_from(KINDS)
keys = st.sampled_from([KEY, NEXT_KEY])
bodies = st.binary(max_size=400)


def refusal_of(kind: Kind, payload: bytes, pinned: PinnedKeys = PINNED) -> type[WireError] | None:
    """The error by which it is refused; None when it is let in. Any other error ends the test."""
    try:
        pinned.open(kind, payload)
    except (NotAuthentic, TooLarge) as error:
        assert str(error)
        return type(error)
    return None


@given(kinds, bodies, keys)
def test_what_was_signed_opens_to_its_exact_bytes(kind: Kind, body: bytes, key: SigningKey) -> None:
    assert PINNED.open(kind, sign(key, kind, body)) == body


@given(bodies)
def test_the_body_stands_readable_at_the_end_of_what_was_signed(body: bytes) -> None:
    assert sign(KEY, Told.CONFIG, body).endswith(b"." + body)


@pytest.mark.parametrize("size", [0, 1, MAX_MESSAGE_BYTES - 1, MAX_MESSAGE_BYTES])
def test_a_body_of_any_size_that_is_allowed_is_opened(size: int) -> None:
    assert PINNED.open(Told.CONFIG, sign(KEY, Told.CONFIG, b"." * size)) == b"." * size


@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES + 200, 1 << 22])
def test_what_is_too_large_is_refused_whoever_has_signed_it(size: int) -> None:
    assert refusal_of(Told.CONFIG, sign(KEY, Told.CONFIG, b"x" * size)) is TooLarge
    assert refusal_of(Told.CONFIG, b"x" * size) is TooLarge


# Base64 that is read leniently has many forms of one signature: spare bits at its end, `+` and `/` for `-` and `_`.
def test_a_message_with_any_one_byte_changed_is_refused() -> None:
    assert [other for other in _with_one_byte_changed(SIGNED) if refusal_of(Told.COMMAND, other) is None] == []


def test_a_message_with_any_one_byte_removed_is_refused() -> None:
    shorter = [SIGNED[:at] + SIGNED[at + 1 :] for at in range(len(SIGNED))]
    assert [other for other in shorter if refusal_of(Told.COMMAND, other) is None] == []


def test_a_message_with_any_one_byte_added_is_refused() -> None:
    longer = [
        SIGNED[:at] + bytes((value,)) + SIGNED[at:] for at in range(len(SIGNED) + 1) for value in range(256)
    ]  # fmt: skip
    assert [other for other in longer if refusal_of(Told.COMMAND, other) is None] == []


@given(kinds, bodies, st.data())
def test_a_body_that_was_changed_after_it_was_signed_is_refused(kind: Kind, body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body)))
    until = data.draw(st.integers(at, len(body)))
    other = body[:at] + data.draw(st.binary(max_size=8)) + body[until:]
    assume(other != body)
    signed = sign(KEY, kind, body)
    assert refusal_of(kind, signed[: len(signed) - len(body)] + other) is WrongSignature


@given(bodies, kinds, kinds)
def test_a_signature_for_one_kind_holds_for_no_other(body: bytes, said: Kind, read: Kind) -> None:
    assume(said != read)
    assert refusal_of(read, sign(KEY, said, body)) is WrongSignature


@given(st.binary(min_size=32, max_size=32), kinds, bodies)
def test_a_key_that_is_not_pinned_opens_nothing(seed: bytes, kind: Kind, body: bytes) -> None:
    key = SigningKey(seed)
    assume(public_key_of(key) not in PUBLIC)
    assert refusal_of(kind, sign(key, kind, body)) is UnknownKey


@given(kinds, bodies, st.sampled_from([STRANGER, NEXT_KEY]))
def test_a_signature_under_the_name_of_another_key_is_refused(kind: Kind, body: bytes, key: SigningKey) -> None:
    signature = sign(key, kind, body).split(b".", 3)[2]
    assert refusal_of(kind, b".".join((FORM, NAME, signature, body))) is WrongSignature


@given(kinds, st.binary(max_size=600))
def test_bytes_of_nobody_are_refused(kind: Kind, payload: bytes) -> None:
    assert refusal_of(kind, payload) is not None


@given(kinds, st.lists(st.sampled_from([FORM, NAME, SIGNATURE, BODY, b"", b".", b"=", b"\xff"]), max_size=8))
def test_parts_of_a_signed_message_in_any_order_are_refused(kind: Kind, parts: list[bytes]) -> None:
    assume((kind, parts[:3], b".".join(parts[3:])) != (Told.COMMAND, [FORM, NAME, SIGNATURE], BODY))
    assert refusal_of(kind, b".".join(parts)) is not None


@given(st.binary(max_size=100))
def test_a_signature_of_any_other_bytes_is_refused(raw: bytes) -> None:
    for encoded in (base64.urlsafe_b64encode(raw), raw):
        assume(encoded != SIGNATURE)
        assert refusal_of(Told.COMMAND, b".".join((FORM, NAME, encoded, BODY))) is not None


def test_a_weak_key_lets_nobody_sign() -> None:
    pinned = PinnedKeys([base64.b64encode(WEAK).decode()])
    forged = base64.urlsafe_b64encode(WEAK + bytes(32)).rstrip(b"=")
    payload = b".".join((FORM, key_id(WEAK).encode(), forged, BODY))
    assert refusal_of(Told.COMMAND, payload, pinned) is WrongSignature


@given(st.text(max_size=60))
def test_whatever_is_no_key_in_base64_cannot_be_pinned(public: str) -> None:
    with pytest.raises(Unsigned):
        PinnedKeys([PUBLIC[0], public])


@pytest.mark.parametrize(
    "public",
    [
        PUBLIC[0][:-1],
        f"{PUBLIC[0]}=",
        f" {PUBLIC[0]}",
        f"{PUBLIC[0][:20]}\n{PUBLIC[0][20:]}",
        base64.b64encode(bytes(31)).decode(),
        base64.b64encode(bytes(33)).decode(),
        "khóa",
    ],
    ids=["unpadded", "padded", "spaced", "folded", "short", "long", "words"],
)
def test_a_key_that_is_nearly_one_cannot_be_pinned(public: str) -> None:
    with pytest.raises(Unsigned):
        PinnedKeys([public])


# `$` would hold before a last line feed too: a room would keep a key that it can never pin, and not start again.
@pytest.mark.parametrize("end", ["", "\n"], ids=["exact", "line feed"])
def test_a_key_that_a_configuration_may_carry_can_be_pinned(end: str) -> None:
    public = PUBLIC[0] + end
    try:
        carried: str = msgspec.convert(public, PublicKey)
    except msgspec.ValidationError:
        return
    assert PinnedKeys([carried]).open(Told.COMMAND, SIGNED) == BODY


def test_nothing_opens_where_no_key_is_pinned() -> None:
    assert refusal_of(Told.COMMAND, SIGNED, PinnedKeys([])) is UnknownKey


def _with_one_byte_changed(whole: bytes) -> Iterator[bytes]:
    for at, was in enumerate(whole):
        for value in range(256):
            if value != was:
                yield whole[:at] + bytes((value,)) + whole[at + 1 :]
