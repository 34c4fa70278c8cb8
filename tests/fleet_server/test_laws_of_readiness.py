"""Laws of the verdict: nothing old is evidence, the worst counts, and time changes it exactly when it says."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_profiles.loader import blueprints
from firmware_profiles.schema import Threshold
from fleet_server.domain.checks import checks
from fleet_server.domain.findings import Outcome
from fleet_server.domain.gate import Waiver, gate_of
from fleet_server.domain.readiness import CENTRE, NEVER, PEOPLE, Judgement, Known, Room, Verdict, Wanted, judge, plan_of
from tests.counterparts.spoken_room import HEALTHY, about_of_room, report_of_room
from wire.ids import uuid7
from wire.messages import DeviceAbout, Report
from wire.times import SystemClock

ABOUT = about_of_room()
PLAN = plan_of(blueprints()["commune"], ABOUT, checks())
BOOT = uuid7()
T = 1_000_000.0
DUTY = {"on_duty": Known("Lê Thị B", T, T + 43_200), "prepared": Known("lights seats dossier citizen", T)}


def room(report: Report | None = None, **changed: Any) -> Room:
    report = report or report_of_room(ABOUT, BOOT, 1, **changed)
    return Room(True, report, ABOUT, T)


def outcome(judgement: Judgement, check: str) -> tuple[str, str]:
    found = next(result for result in judgement.checks if result.check == check)
    return str(found.outcome), found.key


def test_a_healthy_room_is_ready() -> None:
    found = judge(room(), PLAN, T)
    assert found.verdict is Verdict.READY
    assert {check.check for check in found.checks} == set(blueprints()["commune"].checks), "every check is asked"
    assert all(check.outcome is Outcome.PASS for check in found.checks)


@pytest.mark.parametrize(
    ("check", "changed", "expected", "verdict"),
    [
        ("conference_runs", {"conference_running": False}, ("fail", "not_running"), "not_ready"),
        ("conference_runs", {"conference_running": None}, ("unknown", "no_evidence"), "not_ready"),
        ("recording_fits", {"recording_hours": 1.5}, ("fail", "too_little"), "not_ready"),
        ("recording_fits", {"recording_hours": 3.0}, ("warn", "no_reserve"), "at_risk"),
        ("pc_clock", {"clock_offset": -3.0}, ("warn", "off"), "at_risk"),
        ("pc_clock", {"clock_offset": 40.0}, ("fail", "off"), "not_ready"),
        ("pc_load", {"temperature": 95.0}, ("warn", "hot"), "at_risk"),
        ("pc_load", {"temperature": None}, ("pass", "ok"), "ready"),
        ("pc_load", {"memory": None}, ("unknown", "no_evidence"), "at_risk"),
        ("pc_load", {"memory": 95.0}, ("warn", "memory"), "at_risk"),
        ("pc_load", {"cpu": 99.0}, ("warn", "cpu"), "at_risk"),
        ("network_link", {"link_up": False}, ("fail", "down"), "not_ready"),
        ("network_link", {"link_speed": 10.0}, ("warn", "slow"), "at_risk"),
        ("picture_shows", {"frame": False}, ("fail", "no_frame"), "not_ready"),
        ("picture_shows", {"brightness": None}, ("fail", "no_frame"), "not_ready"),
        ("picture_shows", {"brightness": 3.0}, ("fail", "dark"), "not_ready"),
        ("picture_shows", {"contrast": 1.0}, ("fail", "blank"), "not_ready"),
        ("picture_shows", {"frame_unchanged": 90.0}, ("fail", "frozen"), "not_ready"),
        ("camera_clock", {"clock_skew": -12.0}, ("warn", "off"), "at_risk"),
        ("camera_clock", {"clock_skew": 1e8}, ("fail", "off"), "at_risk"),
        ("mixer_open", {"main_muted": True}, ("fail", "main_muted"), "not_ready"),
        ("mixer_open", {"mic_muted": True, "muted_channels": "2"}, ("fail", "mic_muted"), "not_ready"),
        ("mixer_open", {"mic_muted": None}, ("unknown", "no_evidence"), "not_ready"),
        ("mixer_open", {"main_fader": -60.0}, ("fail", "main_low"), "not_ready"),
        ("mixer_open", {"mic_fader": -90.0}, ("fail", "mic_low"), "not_ready"),
        ("mixer_open", {"mic_fader": None}, ("pass", "ok"), "ready"),
        ("display_shows", {"power": "off"}, ("fail", "off"), "not_ready"),
        ("display_shows", {"power": "cooling"}, ("fail", "cooling"), "not_ready"),
        ("display_shows", {"power": "warming"}, ("warn", "warming"), "at_risk"),
        ("display_shows", {"power": None}, ("unknown", "no_evidence"), "not_ready"),
        ("display_shows", {"input_name": "VGA", "input_right": False}, ("fail", "wrong_input"), "not_ready"),
        ("display_shows", {"input_right": None}, ("pass", "ok"), "ready"),
        ("display_shows", {"picture_muted": True}, ("fail", "blanked"), "not_ready"),
        ("display_shows", {"lamp_fault": "warning"}, ("warn", "lamp_fault"), "at_risk"),
        ("display_shows", {"fan_fault": "error", "lamp_fault": "warning"}, ("fail", "fan_fault"), "not_ready"),
        ("disk_well", {"writable": False}, ("fail", "not_writable"), "not_ready"),
        ("disk_well", {"writable": None}, ("unknown", "no_evidence"), "not_ready"),
        ("disk_well", {"smart_healthy": False}, ("warn", "failing"), "at_risk"),
        ("disk_well", {"smart_healthy": None, "disk_temperature": None}, ("pass", "ok"), "ready"),
        ("disk_well", {"disk_temperature": 62.0}, ("warn", "hot"), "at_risk"),
        ("recording_runs", {"recording_still": 9e5}, ("pass", "ok"), "ready"),
        ("sound_open", {"mic_present": False}, ("fail", "mic_absent"), "not_ready"),
        ("sound_open", {"speaker_muted": True}, ("fail", "speaker_muted"), "not_ready"),
        ("sound_open", {"mic_volume": 3.0}, ("fail", "mic_low"), "not_ready"),
        ("sound_open", {"mic_is_default": False}, ("warn", "mic_not_default"), "at_risk"),
        ("sound_open", {"mic_present": None}, ("unknown", "no_evidence"), "not_ready"),
        ("light_enough", {"brightness": 5.0}, ("fail", "dark"), "not_ready"),
        ("light_enough", {"brightness": 18.0}, ("warn", "dim"), "at_risk"),
        ("usb_camera_there", {"present": False}, ("fail", "absent"), "not_ready"),
        ("line_good", {"loss": 20.0}, ("fail", "loss"), "not_ready"),
        ("line_good", {"loss": 3.0, "latency": 500.0}, ("fail", "latency"), "not_ready"),
        ("line_good", {"jitter": 50.0}, ("warn", "jitter"), "at_risk"),
        ("line_good", {"latency": None}, ("unknown", "no_evidence"), "not_ready"),
        ("power_lasts", {"power_source": "battery", "battery_runtime": 300.0}, ("fail", "on_battery"), "not_ready"),
        ("power_lasts", {"power_source": "battery", "battery_runtime": 7_200.0}, ("warn", "on_battery"), "at_risk"),
        ("power_lasts", {"power_source": "battery", "battery_runtime": None}, ("fail", "on_battery_unknown"),
         "not_ready"),
        ("power_lasts", {"power_source": "off"}, ("fail", "off"), "not_ready"),
        ("power_lasts", {"power_source": None}, ("unknown", "no_evidence"), "not_ready"),
        ("power_lasts", {"battery_charge": 20.0}, ("warn", "charging"), "at_risk"),
        ("ups_healthy", {"replace_battery": True}, ("warn", "replace_battery"), "at_risk"),
        ("ups_healthy", {"alarm": "Fan failed"}, ("warn", "alarm"), "at_risk"),
        ("ups_healthy", {"load": 95.0}, ("warn", "overload"), "at_risk"),
    ],
)  # fmt: skip
def test_a_check_finds(check: str, changed: dict[str, Any], expected: tuple[str, str], verdict: str) -> None:
    found = judge(room(**changed), PLAN, T)
    assert outcome(found, check) == expected
    assert found.verdict == verdict


@pytest.mark.parametrize(
    "state",
    ["waiting", "not_answering", "wrong_credentials", "wrong_clock", "bad_answer", "stale_answer", "misconfigured"],
)
def test_a_device_in_trouble_makes_its_room_not_ready(state: str) -> None:
    report = report_of_room(ABOUT, BOOT, 1)
    pc, camera, *others = report.devices
    camera = msgspec.structs.replace(camera, state=state)
    found = judge(room(msgspec.structs.replace(report, devices=(pc, camera, *others))), PLAN, T)
    assert found.verdict is Verdict.NOT_READY
    assert (state, "camera-1") in {(check.key, check.device) for check in found.checks}


def test_a_room_without_one_of_its_devices_is_not_ready() -> None:
    roles = [device.role for device in ABOUT.devices]
    needed = {
        role
        for slot in blueprints()["commune"].slots
        for role in slot.roles
        if slot.count > sum(roles.count(one) for one in slot.roles) - 1
    }
    for missing in ABOUT.devices:
        about = msgspec.structs.replace(ABOUT, devices=tuple(known for known in ABOUT.devices if known is not missing))
        plan = plan_of(blueprints()["commune"], about, checks())
        found = judge(Room(True, report_of_room(ABOUT, BOOT, 1), about, T), plan, T)
        said = [check.role for check in found.checks if check.key == "slot_empty"]
        if missing.role in needed:
            assert found.verdict is Verdict.NOT_READY and set(said) == {missing.role}
        else:
            assert found.verdict is Verdict.READY and not said


def test_what_is_not_known_is_never_ready() -> None:
    report = report_of_room(ABOUT, BOOT, 1)
    stranger = msgspec.structs.replace(report, about_revision="f" * 16)
    assert judge(Room(True, stranger, ABOUT, T), PLAN, T).verdict is Verdict.NOT_READY
    assert judge(Room(True, report, ABOUT, None), PLAN, T).verdict is Verdict.OFFLINE
    assert judge(Room(False, report, ABOUT, T), PLAN, T).verdict is Verdict.OFFLINE
    assert judge(Room(False), PLAN, T).verdict is Verdict.OFFLINE
    empty = msgspec.structs.replace(PLAN, checks=())
    assert judge(room(), empty, T).verdict is Verdict.NOT_READY


def test_learning_turns_nobody_offline_and_nobody_ready() -> None:
    report = report_of_room(ABOUT, BOOT, 1)
    for late in (Room(False, report, ABOUT, T), Room(True, report, ABOUT, T - 100), Room(True, report, ABOUT, None)):
        assert judge(late, PLAN, T, learning=True).verdict is Verdict.NOT_READY


ODD = st.one_of(st.none(), st.booleans(), st.floats(-1e18, 1e18), st.text(max_size=500), st.just(""), st.just(0.0))


KEYS = sorted({key for readings in HEALTHY.values() for key in readings})


@given(st.dictionaries(st.sampled_from(KEYS), ODD, max_size=4))
def test_whatever_a_room_says_it_is_judged(changed: dict[str, Any]) -> None:
    """Types are the room's: one that says a text for a number must not keep the others from being judged."""
    for wanted in (Wanted(0.0), Wanted(known=DUTY, planned_s=3_600.0, live=True, in_session=True)):
        found = judge(room(**changed), PLAN, T, wanted)
        assert all(isinstance(check.key, str) and len(check.key) <= 64 for check in found.checks)


@pytest.mark.parametrize(
    ("reading", "value"), [("clock_offset", "x"), ("battery_runtime", "long"), ("disk_free", True), ("power", True)]
)
def test_evidence_of_another_kind_is_none(reading: str, value: Any) -> None:
    said = room(**{reading: value, "power_source": "mains"})
    judge(said, PLAN, T)
    judge(said, PLAN, T, Wanted(known=DUTY, planned_s=3_600.0, in_session=True))


AGES = st.floats(0, 300)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "conference_running": st.none() | st.booleans(),
        "disk_free": st.none() | st.floats(0, 1e12),
        "clock_offset": st.none() | st.floats(-100, 100),
        "frame": st.none() | st.booleans(),
        "brightness": st.none() | st.floats(0, 100),
        "frame_unchanged": st.none() | st.floats(0, 200),
        "power_source": st.sampled_from([None, "mains", "battery", "off"]),
        "battery_runtime": st.none() | st.floats(0, 2e4),
        "replace_battery": st.none() | st.booleans(),
    },
)


@st.composite
def aged_rooms(draw: st.DrawFn) -> Room:
    report = report_of_room(ABOUT, BOOT, 1, **draw(CHANGES))
    aged = tuple(
        msgspec.structs.replace(
            device,
            age_s=draw(AGES),
            state=draw(st.sampled_from(["ok", "ok", "not_answering"])),
            readings=tuple(msgspec.structs.replace(reading, age_s=draw(AGES)) for reading in device.readings),
        )
        for device in report.devices
    )
    return Room(draw(st.booleans()), msgspec.structs.replace(report, devices=aged), ABOUT, T - draw(st.floats(0, 60)))


def seen(judgement: Judgement) -> Any:
    return judgement.verdict, [(check.outcome, check.key) for check in judgement.checks]


@given(aged_rooms(), st.floats(0, 0.999))
def test_time_alone_changes_a_judgement_exactly_when_it_says(late: Room, share: float) -> None:
    now = judge(late, PLAN, T)
    assert now.changes_at > T
    if now.changes_at == NEVER:
        assert seen(judge(late, PLAN, T + 1e7)) == seen(now)
        return
    assert seen(judge(late, PLAN, T + (now.changes_at - T) * share)) == seen(now)


@given(aged_rooms())
def test_after_all_its_changes_a_room_is_offline(late: Room) -> None:
    moment, steps = T, 0
    while (found := judge(late, PLAN, moment)).changes_at != NEVER:
        moment, steps = found.changes_at, steps + 1
        assert steps < 100
    assert found.verdict is Verdict.OFFLINE


@given(aged_rooms())
def test_evidence_past_its_age_is_unknown_whatever_it_said(late: Room) -> None:
    found = judge(late, PLAN, T + 86_400)
    of_devices = [check for check in found.checks if check.role not in (PEOPLE, CENTRE)]
    assert all(check.outcome in (Outcome.UNKNOWN, Outcome.FAIL) for check in of_devices)
    assert all(check.outcome is Outcome.UNKNOWN or check.key == "not_answering" for check in of_devices)


@given(aged_rooms())
def test_the_verdict_is_the_worst_of_its_required_checks(late: Room) -> None:
    found = judge(late, PLAN, T)
    if found.verdict is Verdict.OFFLINE:
        return
    bad = any(check.counts and check.outcome in (Outcome.FAIL, Outcome.UNKNOWN) for check in found.checks)
    some = any(check.outcome is not Outcome.PASS for check in found.checks)
    assert found.verdict is (Verdict.NOT_READY if bad else Verdict.AT_RISK if some else Verdict.READY)


@given(aged_rooms(), st.datetimes(timezones=st.just(SystemClock().now().tzinfo)))
def test_a_wrong_clock_in_the_room_changes_nothing(late: Room, said: Any) -> None:
    assert late.report is not None
    other = msgspec.structs.replace(late, report=msgspec.structs.replace(late.report, at=said))
    assert judge(other, PLAN, T) == judge(late, PLAN, T)


def test_a_longer_session_needs_more() -> None:
    on_battery = room(power_source="battery", battery_runtime=5_000.0)
    assert judge(on_battery, PLAN, T, Wanted(3_600, known=DUTY)).verdict is Verdict.AT_RISK
    assert judge(on_battery, PLAN, T, Wanted(7_200, known=DUTY)).verdict is Verdict.NOT_READY


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, ("pass", "not_yet")),
        (Wanted(3_600, starts_in_s=7_200), ("pass", "not_yet")),
        (Wanted(3_600, starts_in_s=3_000), ("fail", "nobody")),
        (Wanted(3_600, known=DUTY), ("pass", "ok")),
        (Wanted(3_600, known={"on_duty": Known("Lê Thị B", T - 60, T)}), ("fail", "nobody")),
    ],
)
def test_somebody_must_be_on_duty_from_an_hour_before_a_session(
    wanted: Wanted | None, expected: tuple[str, str]
) -> None:
    found = judge(room(), PLAN, T, wanted)
    assert outcome(found, "on_duty") == expected
    assert (found.verdict is Verdict.READY) == (expected[0] == "pass")


@pytest.mark.parametrize(
    ("changed", "in_session", "expected"),
    [
        ({"bandwidth_up": 1.0}, False, ("fail", "narrow_up")),
        ({"bandwidth_down": 3.9}, False, ("warn", "below_down")),
        ({"bandwidth_up": None, "bandwidth_down": None}, False, ("pass", "not_yet")),
        ({"bandwidth_up": None, "bandwidth_down": None}, True, ("warn", "not_measured")),
    ],
)
def test_a_line_must_carry_its_contract(changed: dict[str, Any], in_session: bool, expected: tuple[str, str]) -> None:
    contract = {"contract_down_mbit_s": 5.0, "contract_up_mbit_s": 5.0}
    plan = plan_of(blueprints()["commune"], ABOUT, checks(), contract)
    wanted = Wanted(3_600, known=DUTY, in_session=in_session)
    assert outcome(judge(room(**changed), plan, T, wanted), "line_wide") == expected


def test_a_threshold_of_a_profile_stands_above_the_blueprint() -> None:
    def own(device: DeviceAbout) -> dict[str, Threshold]:
        return {"picture_shows": Threshold({"dark_percent": 60.0})} if device.id == "camera-1" else {}

    plan = plan_of(blueprints()["commune"], ABOUT, checks(), {}, own)
    assert outcome(judge(room(), plan, T), "picture_shows") == ("fail", "dark")
    assert outcome(judge(room(), PLAN, T), "picture_shows") == ("pass", "ok")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"recording_still": 4.0}, ("pass", "ok")),
        ({"recording_still": 5.0, "recording_grows": False}, ("warn", "pauses")),
        ({"recording_still": 90.0}, ("fail", "still")),
        ({"recording_still": None, "recordings": 0.0}, ("fail", "no_file")),
        ({"recordings": None}, ("unknown", "no_evidence")),
    ],
)
def test_a_recording_must_grow_while_the_session_is_live(changed: dict[str, Any], expected: tuple[str, str]) -> None:
    assert outcome(judge(room(**changed), PLAN, T, Wanted(3_600, live=True)), "recording_runs") == expected


def test_the_gate_goes_only_with_every_site_ready_or_waived() -> None:
    now = SystemClock().now()
    well, ill = judge(room(), PLAN, T), judge(room(conference_running=False), PLAN, T)
    gone = judge(Room(False), PLAN, T)
    waiver = Waiver("b", "conference_runs", "x", "A", now.replace(year=now.year + 1))
    assert gate_of({"a": well}, [], now).go
    assert not gate_of({}, [], now).go
    assert not gate_of({"a": well, "b": ill}, [], now).go
    assert gate_of({"a": well, "b": ill}, [waiver], now).go
    assert not gate_of({"a": ill, "b": well}, [waiver], now).go, "a waiver is for one site"
    assert not gate_of({"b": ill}, [msgspec.structs.replace(waiver, check="power_lasts")], now).go
    assert not gate_of({"b": ill}, [msgspec.structs.replace(waiver, until=now)], now).go, "a waiver ends"
    every = [msgspec.structs.replace(waiver, check=name) for name in checks()]
    assert not gate_of({"b": gone}, every, now).go, "who is offline cannot be waived in"


def test_every_reading_that_a_check_reads_is_told_by_a_driver() -> None:
    told = {key for readings in HEALTHY.values() for key in readings} | {"state"}
    by_centre = {"on_duty", "prepared", "certificate_until", "provisioned", "rooms_mbit_s"}
    for name, check in checks().items():
        known = by_centre if check.role in (PEOPLE, CENTRE) else told
        assert {*check.reads, *check.may_lack} <= known, name


def test_a_check_says_the_unit_of_what_it_found() -> None:
    found = {check.check: check for check in judge(room(loss=7.0), PLAN, T).checks}
    assert (found["line_good"].observed, found["line_good"].unit) == (7.0, "percent")
    assert found["light_enough"].unit == "percent"
    assert {check.unit for check in judge(room(latency=200.0), PLAN, T).checks if check.check == "line_good"} == {"ms"}


def test_what_nobody_has_to_know_yet_does_not_say_that_it_is_so() -> None:
    found = {check.check: check for check in judge(room(bandwidth_up=None, bandwidth_down=None), PLAN, T).checks}
    assert {found[name].key for name in ("on_duty", "line_wide")} == {"not_yet"}
