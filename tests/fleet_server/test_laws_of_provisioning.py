"""Laws of provisioning: what firmware may be, who fills a slot, what differs since when, what may be asked for."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from firmware_profiles.catalogue import Catalogue
from firmware_profiles.loader import blueprints, catalogue_of, parsed
from firmware_profiles.schema import ActionRule, Blueprint, Family, Firmware, Match, Note, Refused, Setting
from fleet_server.domain.firmware import firmware_finding, is_below
from fleet_server.domain.provisioning import (
    Accepted,
    Kept,
    Provisioning,
    accepted_now,
    fits_of,
    is_another,
    is_known,
    proved_of,
    provisioning_of,
)
from wire.codec import revision_of
from wire.description import ActionSpec
from wire.fields import Value
from wire.ids import uuid7
from wire.messages import About, DeviceAbout, DeviceReport, Reading, Report
from wire.times import SystemClock

BOOT, NOW, T = uuid7(), SystemClock().now(), 1_000_000.0
NOTHING = Kept()

# Firmware.

NUMBERS = st.lists(st.integers(0, 10**6), max_size=5)
VERSIONS = NUMBERS.map(lambda numbers: "V" + ".".join(map(str, numbers))) | st.text(max_size=12)


def numbers_in(version: str) -> list[int]:
    return without_zeros([int(part) for part in re.findall(r"\d+", version)])


def without_zeros(numbers: list[int]) -> list[int]:
    """2.4.0 is 2.4."""
    return numbers if not numbers or numbers[-1] else without_zeros(numbers[:-1])


@given(VERSIONS, VERSIONS, VERSIONS)
def test_older_is_a_strict_order_by_numbers(one: str, two: str, three: str) -> None:
    assert not is_below(one, one)
    assert not (is_below(one, two) and is_below(two, one))
    if is_below(one, two) and is_below(two, three):
        assert is_below(one, three)
    if not is_below(one, two) and not is_below(two, one):
        assert numbers_in(one) == numbers_in(two), "only equal numbers are neither older nor newer"


@given(NUMBERS, NUMBERS, st.sampled_from(["V{}", "{} build", "v{}", "DS {}"]))
def test_versions_are_compared_number_by_number_whatever_stands_round_them(
    one: list[int], two: list[int], form: str
) -> None:
    said = [form.format(".".join(map(str, numbers))) for numbers in (one, two)]
    assert is_below(*said) == (without_zeros(one) < without_zeros(two))


@pytest.mark.parametrize(
    ("older", "newer"), [("V5.5.9", "V5.5.82"), ("2.4", "2.4.1"), ("9.80", "10.12"), ("2021-05-31", "2021-06-01")]
)
def test_an_older_version_is_below_a_newer_one(older: str, newer: str) -> None:
    assert is_below(older, newer) and not is_below(newer, older)


WHY = Note("vì vậy", "because")
RULES = Firmware(
    reads=r"V(?P<v>[\d.]+)", minimum="2.0", minimum_source="test", accepted=(r"2\..*", r"3\.1"),
    refused=(Refused(WHY, "CVE-1", below="1.5"), Refused(WHY, "CVE-2", version=r"2\.6.*")),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "accepted", "key"),
    [
        ("V2.0 build 1", True, "accepted"), ("camera V2.5", True, "accepted"), ("V3.1", True, "accepted"),
        ("V1.4", False, "refused"), ("V2.6.1", False, "refused"), ("V1.9", False, "too_old"),
        ("V3.2", False, "not_accepted"), ("2.5", False, "not_told"), ("", False, "not_told"), ("V", False, "not_told"),
    ],
)  # fmt: skip
def test_firmware_is_judged_by_what_is_refused_then_too_old_then_accepted(text: str, accepted: bool, key: str) -> None:
    found = firmware_finding(RULES, text)
    assert (found.accepted, found.key) == (accepted, key)
    assert (found.reason == WHY) == (key == "refused")
    if key == "refused":
        assert found.params["source"].startswith("CVE-"), "who refuses says by what right"


@given(st.text(max_size=30))
def test_without_a_word_on_firmware_any_will_do(text: str) -> None:
    assert firmware_finding(Firmware(), text).accepted


@given(st.text(max_size=30))
def test_firmware_that_is_not_told_is_never_accepted_where_it_matters(text: str) -> None:
    found = firmware_finding(RULES, text)
    if found.accepted:
        assert re.search(r"V[\d.]+", text, re.IGNORECASE)
    optional = firmware_finding(replace(RULES, reads=r"V(?P<v>[\d.]*)"), "V")
    assert (optional.accepted, optional.key) == (False, "not_told"), "an empty version is none"


def _plain(numbers: list[int]) -> list[int]:
    """2.0 and 2 are the same version."""
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers


@given(NUMBERS.filter(bool), NUMBERS.filter(bool))
def test_a_minimum_accepts_itself_and_all_that_is_newer(minimum: list[int], found: list[int]) -> None:
    least, said = (".".join(map(str, numbers)) for numbers in (minimum, found))
    assert firmware_finding(Firmware(minimum=least), said).accepted == (_plain(found) >= _plain(minimum))


@pytest.mark.parametrize(
    ("model", "firmware", "accepted"),
    [
        ("DS-2CD2142F-I", "V5.4.5 build 170124", False), ("DS-2CD2142F-I", "V5.4.41 build 170312", True),
        ("DS-2CD2142F-I", "V5.5.0 build 170725", True), ("DS-2CD2143G2-I", "V5.4.5", True),
        ("DS-2CD2142F-I", "", False),
    ],
)  # fmt: skip
def test_a_camera_that_lets_anybody_in_is_not_accepted(model: str, firmware: str, accepted: bool) -> None:
    camera = DeviceAbout("c", "camera", "camera_onvif", make="HIKVISION", model=model, firmware=firmware)
    about = About("0" * 16, (camera,), {})
    assert fits_of("38-1", about, catalogue_of(None))[0].firmware.accepted is accepted


# Rooms of two slots: a camera that must be right, and a UPS.

BLUEPRINT = parsed(
    "b",
    "{kind: commune, report_interval_s: 15, planned_s: 60, checks: {answers: {}}, slots: ["
    "{name: camera, roles: [camera]}, {name: ups, roles: [ups]}, {name: relay, roles: [relay], count: 0}]}",
    Blueprint,
)
CAMERA = Family(
    "cam", Match("camera_onvif", ("camera",)), firmware=Firmware(minimum="2.0"),
    settings={"ntp_server": Setting("ours", "fail"), "width": Setting(1920, "warn")},
)  # fmt: skip
UPS = Family(
    "ups", Match("ups_nut", ("ups",)),
    actions={"outlet.1.load.cycle": ActionRule(proved=True, source="test"), "beeper.mute": ActionRule(allowed=False)},
)  # fmt: skip
CATALOGUE = Catalogue((CAMERA, UPS), {})
CYCLE = ActionSpec("outlet.1.load.cycle", needs_proof=True, dangerous=True)
ACTIONS = (CYCLE, replace(CYCLE, action="outlet.2.load.cycle"), ActionSpec("beeper.mute"), ActionSpec("beeper.enable"))
CAM = DeviceAbout("camera-1", "camera", "camera_onvif", "K", "K-1", "A1", "V2.1", (ActionSpec("reboot"),))
BATTERY = DeviceAbout("ups-1", "ups", "ups_nut", "S", "S-1", "B1", "1", ACTIONS)
WELL: dict[str, dict[str, Value]] = {
    "camera-1": {"ntp_server": "ours", "width": 1920.0},
    "ups-1": {"load": 20.0},
}


def about_of(*devices: DeviceAbout) -> About:
    return About(revision_of(devices), devices, {})


def report_of(about: About, readings: dict[str, dict[str, Value]]) -> Report:
    devices = tuple(
        DeviceReport(
            device.id, "ok", 0.0, readings=tuple(Reading(k, v, 0.0) for k, v in readings.get(device.id, {}).items())
        )
        for device in about.devices
    )
    return Report(BOOT, 1, NOW, about.revision, "0" * 16, devices)


def seen(
    about: About | None, report: Report | None, kept: Kept = NOTHING, now: float = T, catalogue: Catalogue = CATALOGUE
) -> tuple[Provisioning, Kept]:
    return provisioning_of(BLUEPRINT, about, fits_of("38-1", about, catalogue), report, kept, now)


def room(
    camera: DeviceAbout | None = CAM, ups: DeviceAbout | None = BATTERY, kept: Kept = NOTHING, now: float = T,
    **changed: Value,
) -> tuple[Provisioning, Kept]:  # fmt: skip
    about = about_of(*(device for device in (camera, ups) if device is not None))
    return seen(about, report_of(about, {**WELL, "camera-1": {**WELL["camera-1"], **changed}}), kept, now)


def test_a_room_is_provisioned_when_every_slot_is_filled_by_what_is_right() -> None:
    found, kept = room()
    assert found.is_provisioned and not found.drifts
    assert kept.set_up_at == T and set(kept.accepted) == {"camera-1", "ups-1"}


@pytest.mark.parametrize(
    ("camera", "changed"),
    [
        (None, {}),
        (replace(CAM, role="light"), {}),
        (replace(CAM, make="", model="", firmware=""), {}),
        (replace(CAM, driver="camera_usb"), {}),
        (replace(CAM, firmware="V1.9"), {}),
        (CAM, {"ntp_server": "theirs"}),
    ],
    ids=["missing", "another role", "says nothing", "no profile", "old firmware", "a drift"],
)  # fmt: skip
def test_a_room_is_not_provisioned_when_a_slot_is_not_right(camera: DeviceAbout | None, changed: Any) -> None:
    found, kept = room(camera, **changed)
    assert not found.is_provisioned and kept.set_up_at is None
    assert [slot.is_right for slot in found.slots] == [False, True, True]


def test_one_wrong_device_is_enough_although_another_fills_the_slot() -> None:
    about = about_of(CAM, replace(CAM, id="camera-2", firmware="V1.0"), BATTERY)
    assert not seen(about, report_of(about, WELL | {"camera-2": WELL["camera-1"]}))[0].is_provisioned


def test_a_slot_that_may_be_empty_must_be_right_when_it_is_not() -> None:
    relay = DeviceAbout("relay-1", "relay", "relay_gpio", make="R")
    about = about_of(CAM, BATTERY, relay)
    found, _ = seen(about, report_of(about, WELL))
    assert not found.is_provisioned and not found.slots[2].is_right, "no profile fits it"


def test_what_only_warns_is_shown_and_does_not_count() -> None:
    found, _ = room(width=640.0)
    assert found.is_provisioned
    assert [(drift.key, drift.found, drift.counts) for drift in found.drifts] == [("width", 640.0, False)]


def test_a_room_that_has_said_nothing_is_not_provisioned_and_nothing_is_remembered() -> None:
    kept = Kept()
    found, after = seen(None, None, kept)
    assert not found.is_provisioned and not found.known and after is kept
    assert [slot.slot for slot in found.slots] == ["camera", "ups", "relay"]


def test_a_room_is_set_up_once_whatever_comes_later() -> None:
    _, kept = room()
    _, later = room(kept=kept, now=T + 100, ntp_server="theirs")
    _, again = room(kept=later, now=T + 200)
    assert kept.set_up_at == later.set_up_at == again.set_up_at == T


def test_a_new_room_is_not_set_up_before_it_has_said_how_its_settings_are() -> None:
    """`about` comes before the first report that rests on it."""
    about = about_of(CAM, BATTERY)
    old = report_of(about_of(BATTERY), WELL)
    for report in (None, old):
        found, kept = seen(about, report)
        assert not found.is_provisioned and kept.set_up_at is None
    found, kept = seen(about, report_of(about, WELL | {"camera-1": {"ntp_server": "theirs"}}), kept)
    assert not found.is_provisioned and kept.set_up_at is None


def test_a_new_room_of_which_nothing_counts_waits_for_no_report() -> None:
    about = about_of(CAM, BATTERY)
    loose = Catalogue((replace(CAMERA, settings={"width": Setting(1920)}), UPS), {})
    assert seen(about, None, catalogue=loose)[0].is_provisioned


# Who it is.


def test_a_swapped_serial_is_noticed_by_the_very_next_about() -> None:
    _, kept = room()
    other = replace(CAM, serial="A2")
    about = about_of(other, BATTERY)
    found, after = seen(about, None, kept, T + 1)
    assert not found.is_provisioned
    swapped = {device.device: device.swapped_for for device in found.devices}
    assert swapped["ups-1"] is None and swapped["camera-1"] == kept.accepted["camera-1"]
    assert after.accepted == kept.accepted, "nobody has accepted the other one"
    by_hand = replace(after, accepted={**after.accepted, "camera-1": accepted_now(other, T + 2, "A")})
    assert room(other, kept=by_hand)[0].is_provisioned
    assert not room(CAM, kept=by_hand)[0].is_provisioned, "now the first one is the other"


def test_a_device_that_says_nothing_is_not_another() -> None:
    _, kept = room()
    found, after = room(replace(CAM, make="", model="", serial="", firmware=""), kept=kept)
    assert found.devices[0].swapped_for is None and not found.devices[0].known
    assert not found.is_provisioned
    assert after.accepted == kept.accepted
    assert room(kept=after)[0].is_provisioned


def test_one_that_tells_its_serial_only_later_is_known_by_it_from_then_on() -> None:
    _, kept = room(replace(CAM, serial=""))
    found, kept = room(kept=kept, now=T + 1)
    assert found.is_provisioned and kept.accepted["camera-1"].serial == "A1" and kept.accepted["camera-1"].at == T
    assert not room(replace(CAM, serial="A2"), kept=kept)[0].is_provisioned
    assert room(replace(CAM, serial=""), kept=kept)[0].is_provisioned, "one that keeps its serial to itself"


def test_one_that_told_its_firmware_alone_is_no_other_once_it_says_who_it_is() -> None:
    _, kept = room(replace(CAM, make="", model="", serial=""))
    found, kept = room(kept=kept, now=T + 1)
    assert found.is_provisioned and kept.accepted["camera-1"].model == CAM.model
    assert not room(replace(CAM, serial="A2"), kept=kept)[0].is_provisioned


WORDS = st.sampled_from(["", "x", "y"])
DEVICES = st.builds(DeviceAbout, st.just("d"), st.just("camera"), st.just("camera_onvif"), WORDS, WORDS, WORDS, WORDS)


@given(DEVICES, DEVICES)
def test_another_is_told_by_its_serial_or_else_by_make_and_model(one: DeviceAbout, two: DeviceAbout) -> None:
    was = accepted_now(one, T, "")
    assert not is_another(was, one), "nobody is another than himself"
    if not is_known(two) or not (one.make or one.model or one.serial):
        assert not is_another(was, two)
    elif one.serial and two.serial:
        assert is_another(was, two) == (one.serial != two.serial)
    else:
        assert is_another(was, two) == ((one.make, one.model) != (two.make, two.model))


# Since when.


@given(st.lists(st.sampled_from(["ours", "theirs", "other", None, "unsaid", "new about"]), max_size=12))
def test_a_drift_keeps_its_first_moment_while_it_lasts_and_is_forgotten_when_gone(said: list[str | None]) -> None:
    """`None`: the camera does not tell; "unsaid": not a word of it; "new about": no report rests on it yet."""
    kept, began, older = Kept(), None, report_of(about_of(BATTERY), WELL)
    about = about_of(CAM, BATTERY)
    for number, value in enumerate(said):
        now = T + number
        readings: dict[str, Value] = {"width": 1920.0, "ntp_server": value}
        report = report_of(about, WELL | {"camera-1": {} if value == "unsaid" else readings})
        found, kept = seen(about, older if value == "new about" else report, kept, now)
        if value in ("ours", None):
            began = None
        elif value in ("theirs", "other"):
            began = now if began is None else began
        assert [drift.since for drift in found.drifts] == ([] if began is None else [began])
        assert kept.drift_since == ({} if began is None else {"camera-1 ntp_server": began})
        if began is not None:
            assert not found.is_provisioned, "what differed differs until the room says that it does not"


def test_what_is_no_longer_wanted_is_no_drift_any_more() -> None:
    _, kept = room(ntp_server="theirs")
    about = about_of(CAM, BATTERY)
    loose = Catalogue((replace(CAMERA, settings={}), UPS), {})
    found, after = seen(about, None, kept, catalogue=loose)
    assert not found.drifts and after.drift_since == {}


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        (1920, 1920.0, True), (1920.0, 1920.0000001, True), (1920, 1921.0, False), (1, True, False), (True, 1.0, False),
        (True, True, True), (False, None, True), ("a", "a", True), ("a", "A", False), ("1", 1.0, False),
    ],
)  # fmt: skip
def test_a_setting_is_as_wanted_when_it_says_the_same(wanted: Value, found: Value, same: bool) -> None:
    catalogue = Catalogue((replace(CAMERA, settings={"width": Setting(wanted, "fail")}), UPS), {})
    about = about_of(CAM, BATTERY)
    state, _ = seen(about, report_of(about, {**WELL, "camera-1": {"width": found}}), catalogue=catalogue)
    assert state.is_provisioned is same


# What may be asked.


def test_an_action_that_needs_proof_is_offered_only_where_it_was_proved() -> None:
    fits = fits_of("38-1", about_of(CAM, BATTERY), CATALOGUE)
    offered = {fit.about.id: [spec.action for spec in fit.actions] for fit in fits}
    assert offered == {"camera-1": ["reboot"], "ups-1": ["outlet.1.load.cycle", "beeper.enable"]}
    assert proved_of(fits) == {"ups-1": ("outlet.1.load.cycle",)}


RULED = st.builds(ActionRule, st.booleans(), st.booleans(), st.none(), st.none() | st.floats(1, 3_600), st.none())
SPECS = st.builds(
    ActionSpec, st.sampled_from(["reboot", "outlet.1.load.cycle", "outlet.2.load.cycle"]), needs_proof=st.booleans(),
    takes_s=st.floats(1, 3_600),
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(["reboot", "outlet.n.load.cycle", "outlet.1.load.cycle"]), RULED),
    st.lists(SPECS, max_size=3, unique_by=lambda spec: spec.action),
    st.booleans(),
)
def test_an_offer_is_what_the_device_offers_less_what_its_profile_does_not_allow(
    rules: dict[str, ActionRule], specs: list[ActionSpec], fits: bool
) -> None:
    family = replace(UPS, actions=rules) if fits else replace(UPS, match=Match("snmp"), actions=rules)
    catalogue = Catalogue((family,), {})
    about = about_of(replace(BATTERY, actions=tuple(specs)))
    (fit,) = fits_of("38-1", about, catalogue)
    told = {spec.action: spec for spec in specs}
    for spec in fit.actions:
        assert fit.profile is None or fit.profile.rule(spec.action).allowed
        assert not spec.needs_proof or (fit.profile is not None and fit.profile.rule(spec.action).proved)
        assert spec.takes_s >= told[spec.action].takes_s, "no profile makes a device faster than it says"
    kept_back = told.keys() - {spec.action for spec in fit.actions}
    for action in kept_back:
        rule = fit.profile.rule(action) if fit.profile is not None else ActionRule()
        assert not rule.allowed or (told[action].needs_proof and not rule.proved)
    assert set(proved_of((fit,)).get("ups-1", ())) == {spec.action for spec in fit.actions if spec.needs_proof}


def test_nothing_that_comes_with_us_says_that_an_outlet_was_proved() -> None:
    """That depends on the very model, and is for the province to try."""
    shipped = catalogue_of(None)
    ups = [replace(BATTERY, make=make, model=model) for make, model in (("APC", "X"), ("SANTAK", "C1K"), ("", ""))]
    for device in ups:
        (fit,) = fits_of("38-1", about_of(device), shipped)
        assert fit.profile is not None and not any(spec.needs_proof for spec in fit.actions)


# Whatever comes.

VALUES = st.none() | st.booleans() | st.floats(-1e18, 1e18) | st.sampled_from(["", "ours", "theirs"])
KEYS = st.sampled_from(["ntp_server", "width", "load"])
SETTINGS = st.dictionaries(KEYS, st.builds(Setting, VALUES, st.sampled_from(["fail", "warn", "mend"])), max_size=3)
ANY_DEVICE = st.builds(
    DeviceAbout, st.sampled_from(["camera-1", "camera-2", "ups-1"]), st.sampled_from(["camera", "ups", "relay"]),
    st.sampled_from(["camera_onvif", "ups_nut", "odd"]), WORDS, WORDS, WORDS, st.sampled_from(["", "V1", "V2.1"]),
    st.just(ACTIONS),
)  # fmt: skip
ABOUTS = st.lists(ANY_DEVICE, max_size=4, unique_by=lambda device: device.id).map(lambda found: about_of(*found))
READINGS = st.dictionaries(st.sampled_from(["camera-1", "ups-1", "gone"]), st.dictionaries(KEYS, VALUES), max_size=3)
ACCEPTED = st.builds(Accepted, WORDS, WORDS, WORDS, st.just(1.0))
KEPTS = st.builds(
    Kept,
    st.dictionaries(st.sampled_from(["camera-1", "ups-1", "gone"]), ACCEPTED),
    st.dictionaries(st.sampled_from(["camera-1 ntp_server", "ups-1 load", "gone width"]), st.floats(0, T)),
    st.none() | st.floats(0, T),
    st.none() | st.floats(0, T),
)  # fmt: skip


@st.composite
def rooms(draw: st.DrawFn) -> tuple[About | None, Report | None, Kept, Catalogue]:
    families = (replace(CAMERA, settings=draw(SETTINGS)), replace(UPS, settings=draw(SETTINGS)))
    about = draw(st.none() | ABOUTS)
    rests_on = draw(ABOUTS) if about is None or draw(st.booleans()) else about
    report = report_of(rests_on, draw(READINGS)) if draw(st.booleans()) else None
    return about, report, draw(KEPTS), Catalogue(families, {})


@given(rooms())
def test_whatever_comes_is_judged_and_what_is_kept_is_stable(
    come: tuple[About | None, Report | None, Kept, Catalogue],
) -> None:
    about, report, before, catalogue = come
    first, kept = seen(about, report, before, T, catalogue)
    second, again = seen(about, report, kept, T + 100, catalogue)
    assert again is kept, "else every report would be a new row in the database"
    assert first.drifts == second.drifts
    assert second.is_provisioned == first.is_provisioned


@given(rooms())
def test_provisioned_is_exactly_every_slot_right(come: tuple[About | None, Report | None, Kept, Catalogue]) -> None:
    about, report, before, catalogue = come
    found, kept = seen(about, report, before, T, catalogue)
    right = about is not None
    compared = True
    for slot in BLUEPRINT.slots:
        there = [device for device in about.devices if device.role in slot.roles] if about is not None else []
        right = right and len(there) >= slot.count
        for device in there:
            (fit,) = fits_of("38-1", about_of(device), catalogue)
            state = next(state for state in found.devices if state.device == device.id)
            right = right and (
                is_known(device)
                and fit.profile is not None
                and fit.firmware.accepted
                and not is_another(kept.accepted[device.id], device)
                and not any(drift.differs in ("fail", "mend") for drift in state.drifts)
            )
    for fit in fits_of("38-1", about, catalogue):
        counting = fit.profile is not None and any(s.differs != "warn" for s in fit.profile.settings.values())
        said = report is not None and about is not None and report.about_revision == about.revision
        told = said and any(device.id == fit.about.id and device.readings for device in report.devices)  # type: ignore[union-attr]
        compared = compared and (told or not counting)
    assert found.is_provisioned == (right and (compared or before.set_up_at is not None))
    assert (kept.set_up_at is not None) == (before.set_up_at is not None or found.is_provisioned)


def test_every_kind_of_site_that_comes_with_us_has_slots_to_fill() -> None:
    for blueprint in blueprints().values():
        about = about_of()
        found, _ = provisioning_of(blueprint, about, (), None, Kept(), T)
        assert not found.is_provisioned, f"an empty {blueprint.kind} is not provisioned"
