"""Laws: any bytes are a message or a typed error; what is encoded is decoded."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.counterparts.spoken_room import about_of_room, report_of_room
from wire import codec
from wire.errors import TooLarge, UnknownTopic, Unreadable, WireError
from wire.ids import uuid7
from wire.messages import (
    Ack,
    Command,
    Config,
    DeviceReport,
    EventEntry,
    LogBatch,
    Message,
    Presence,
    Reading,
    Report,
    StepEntry,
    SummaryEntry,
)
from wire.times import rfc3339
from wire.topics import Kind, Said, Told, parse, topic_of

NOW = datetime(2026, 11, 24, 7, 42, 0, 125_000, UTC)
ABOUT = about_of_room()
REPORT = report_of_room(ABOUT, uuid7(), 1)
MESSAGES: list[Message] = [
    Presence("online", "0.1.0", uuid7()),
    ABOUT,
    REPORT,
    LogBatch(uuid7(), (
        SummaryEntry(4, NOW, 1, {"device_lost": 4}), EventEntry(5, NOW, "agent_started"),
        StepEntry(6, NOW, uuid7(), "running", "gone", {"after_s": 1.5}),
    ), 1),
    Ack("38-1", uuid7(), 6, NOW),
    Command(uuid7(), "38-1", uuid7(), "camera-1", "reboot", {}, NOW, NOW, "operator"),
    Config("38-1", "0" * 16, NOW, 15.0),
]  # fmt: skip
KINDS: list[Kind] = [*Said, *Told]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: str(message.kind))
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    assert codec.decode(message.kind, codec.encode(message)) == message


@given(kind=st.sampled_from(KINDS), payload=st.binary(max_size=400))
def test_any_bytes_are_a_message_or_a_typed_error(kind: Kind, payload: bytes) -> None:
    read(kind, payload)


@given(st.data())
def test_a_damaged_message_is_a_message_or_a_typed_error(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(MESSAGES))
    whole = bytearray(codec.encode(message))
    at = data.draw(st.integers(0, len(whole) - 1))
    noise = data.draw(st.binary(max_size=8))
    until = data.draw(st.integers(at, len(whole)))
    read(message.kind, bytes(whole[:at]) + noise + bytes(whole[until:]))


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z][a-z0-9_.]{0,20}", fullmatch=True),
            st.none() | st.booleans() | st.floats(-1e18, 1e18) | st.text(max_size=100),
            st.floats(0, 1e9),
        ),
        max_size=100,
    )
)
def test_any_readings_come_back_as_they_were(readings: list[tuple[str, object, float]]) -> None:
    device = DeviceReport("d", "ok", 0.0, readings=tuple(Reading(*reading) for reading in readings))  # type: ignore[arg-type]
    report = msgspec.structs.replace(REPORT, devices=(device,))
    assert codec.decode(Said.REPORT, codec.encode(report)) == report


def report_with(**changed: object) -> bytes:
    fields = msgspec.to_builtins(REPORT) | changed
    return msgspec.json.encode(fields)


def devices(count: int, readings: int = 0, name: str = "d-{}") -> list[dict[str, object]]:
    rows = [["cpu", 1.0, 0.0]] * readings
    return [{"id": name.format(n), "state": "ok", "age_s": 0.0, "readings": rows} for n in range(count)]


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b"x" * 65_537, TooLarge),
        (report_with(devices=devices(65)), Unreadable),
        (report_with(devices=devices(17, 121)), TooLarge),
        (report_with(devices=devices(1, 129)), Unreadable),
        (report_with(devices=devices(2, name="same")), Unreadable),
        (report_with(devices=[{"id": "d", "state": "ok", "age_s": 0, "detail": "x" * 121}]), Unreadable),
        (report_with(devices=[{"id": "D!", "state": "ok", "age_s": 0}]), Unreadable),
        (report_with(devices=[{"id": "d", "state": "well", "age_s": 0}]), Unreadable),
        (report_with(devices=[{"id": "d", "state": "ok", "age_s": -1}]), Unreadable),
        (report_with(at="2026-11-24T07:42:00"), Unreadable),
        (report_with(schema=2), Unreadable),
        (report_with(seq=-1), Unreadable),
        (report_with().replace(b'"seq":1', b'"seq":NaN'), Unreadable),
        (report_with().replace(b'"seq":1', b'"seq":' + b"9" * 400), Unreadable),
        (b'{"devices":' + b"[" * 30_000, Unreadable),
    ],
)
def test_a_bound_holds(payload: bytes, error: type[WireError]) -> None:
    with pytest.raises(error):
        codec.decode(Said.REPORT, payload)


def test_the_largest_report_that_is_allowed_is_read() -> None:
    payload = report_with(devices=devices(16, 128))
    assert sum(len(device.readings) for device in codec.decode_as(Report, payload).devices) == codec.MAX_READINGS


def test_a_field_that_nobody_knows_is_ignored() -> None:
    assert codec.decode(Said.REPORT, report_with(colour="red")) == REPORT


def test_a_log_out_of_order_is_refused() -> None:
    batch = msgspec.to_builtins(MESSAGES[3])
    batch["entries"] = batch["entries"][::-1]
    with pytest.raises(Unreadable):
        codec.decode(Said.LOG, msgspec.json.encode(batch))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_topic_is_read_as_it_was_built(kind: Kind) -> None:
    assert parse(topic_of("38-14797", kind)) == ("38-14797", kind)


@given(
    st.text(max_size=80) | st.sampled_from(["diemcau/v1/+/up/report", "diemcau/v1/a/dn/report", "diemcau/v2/a/up/log"])
)
def test_any_other_topic_is_refused(topic: str) -> None:
    with pytest.raises(UnknownTopic):
        parse(topic)


def test_identifiers_sort_by_the_time_of_their_making() -> None:
    made = [uuid7() for _ in range(1_000)]
    assert len(set(made)) == 1_000
    assert [name[:13] for name in made] == sorted(name[:13] for name in made)
    assert all(name[14] == "7" and name[19] in "89ab" for name in made)


def test_times_leave_us_with_milliseconds_in_utc() -> None:
    assert rfc3339(NOW) == "2026-11-24T07:42:00.125Z"


def read(kind: Kind, payload: bytes) -> None:
    try:
        assert codec.decode(kind, payload).kind == kind
    except WireError as error:
        assert str(error)
