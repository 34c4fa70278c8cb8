"""The road of a site from plan to service: what follows from a survey, and surveys as Excel files."""

import contextlib
import io
import zipfile
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from device_drivers import registry
from firmware_profiles.loader import blueprints, catalogue_of
from fleet_server.domain.checks import checks
from fleet_server.domain.readiness import Room, Verdict, judge, plan_of
from fleet_server.domain.rollout import (
    BY_HAND,
    GROUPS,
    STAGES,
    Gaps,
    Piece,
    Stage,
    Survey,
    desired_of,
    free_id,
    gaps_of,
    stage_of,
    with_survey,
)
from fleet_server.errors import BadFile
from fleet_server.rollout import spreadsheet
from fleet_server.rollout.desk import SiteProgress
from fleet_server.rollout.spreadsheet import columns, progress_book, surveys_in, template
from fleet_server.state.fleet import SiteEntry
from fleet_server.store.rollout import SurveyRow
from fleet_server.store.sites import SiteRow
from fleet_server.texts import Lang
from wire.messages import DesiredDevice, Secret

CATALOGUE = catalogue_of(None)
COMMUNE = blueprints()["commune"]
CENTRE = {"centre_host": "diemcau.example", "centre_port": "8080", "centre_url": "https://diemcau.example"}
NOW = datetime(2026, 11, 25, 7, tzinfo=UTC)
LANGS: tuple[Lang, ...] = ("vi", "en")
EQUIPPED = [group for group, roles in GROUPS.items() if roles]
DRIVERS = {group: [name for role in roles for name in CATALOGUE.drivers_of(role)] for group, roles in GROUPS.items()}

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=60).map(str.strip)
MAKES = st.sampled_from(["", "Hikvision", "Dahua", "SANTAK", "Jabra", "EPSON", "Rạng Đông", "?"])


@st.composite
def pieces(draw: st.DrawFn, group: str) -> Piece:
    return Piece(
        has=draw(st.sampled_from([None, True, True, False])),
        make=draw(MAKES | TEXTS), model=draw(TEXTS),
        year=draw(st.none() | st.integers(1990, 2100)), address=draw(TEXTS), username=draw(TEXTS),
        has_password=draw(st.booleans()), driver=draw(st.none() | st.sampled_from([*DRIVERS[group], "no_such_driver"])),
        note=draw(TEXTS),
    )  # fmt: skip


@st.composite
def surveys(draw: st.DrawFn) -> Survey:
    mbit_s = st.none() | st.integers(0, 1_000) | st.decimals(0, 1_000, places=2).map(float)
    return Survey(
        {group: draw(pieces(group)) for group in draw(st.sets(st.sampled_from(EQUIPPED)))},
        contact=draw(TEXTS), phone=draw(st.sampled_from(["", "0912 345 678", "+84 912345678", "02373"])),
        line_kind=draw(st.sampled_from(["", "leased", "internet"])),
        line_down_mbit_s=draw(mbit_s), line_up_mbit_s=draw(mbit_s),
    )  # fmt: skip


STAGES_SAID = st.none() | st.sampled_from(BY_HAND)


def test_the_groups_are_ten_and_no_role_is_in_two() -> None:
    roles = [role for group in GROUPS.values() for role in group]
    assert len(GROUPS) == 10 and len(set(roles)) == len(roles)


def test_the_stages_come_in_their_order() -> None:
    nothing, all_there = Gaps(("ups",), ("pc",), ()), Gaps((), (), ())
    assert stage_of(None, False, None, False, False) is Stage.PLANNED
    assert stage_of(None, True, nothing, False, False) is Stage.SURVEYED
    assert stage_of(None, True, all_there, False, False) is Stage.EQUIPPED
    assert stage_of(None, True, all_there, True, False) is Stage.ENROLLED
    assert stage_of(None, True, all_there, True, True) is Stage.PROVISIONED
    assert stage_of(Stage.PILOTED, True, all_there, True, True) is Stage.PILOTED
    assert stage_of(Stage.EQUIPPED, True, nothing, False, False) is Stage.EQUIPPED
    assert stage_of(Stage.EQUIPPED, True, nothing, True, True) is Stage.PROVISIONED, "what a person said is overtaken"


@given(STAGES_SAID, *[st.booleans()] * 4)
def test_a_site_never_goes_back_by_what_is_learned_of_it(
    said: Stage | None, surveyed: bool, complete: bool, enrolled: bool, provisioned: bool
) -> None:
    gaps = Gaps(() if complete else ("pc",), (), ()) if surveyed else None
    reached = STAGES.index(stage_of(said, surveyed, gaps, enrolled, provisioned))
    assert reached >= (STAGES.index(said) if said else 0)
    for more in (
        stage_of(said, True, gaps or Gaps(("pc",), (), ()), enrolled, provisioned),
        stage_of(said, True, Gaps((), (), ()), enrolled, provisioned),
        stage_of(said, surveyed, gaps, True, provisioned),
        stage_of(said, surveyed, gaps, enrolled, True),
        stage_of(Stage.IN_SERVICE, surveyed, gaps, enrolled, provisioned),
    ):
        assert STAGES.index(more) >= reached


@given(surveys())
def test_every_group_that_the_blueprint_wants_is_there_missing_or_unknown(survey: Survey) -> None:
    gaps = gaps_of(survey, COMMUNE, CATALOGUE)
    optional = {"decoder"}
    for group in GROUPS:
        has = survey.piece(group).has
        if group == "people":
            has = True if survey.contact else has
        assert (group in gaps.missing) == (has is False and group not in optional)
        assert (group in gaps.unknown) == (has is None and group not in optional)
        assert not (group in gaps.without_driver and not has)
    assert gaps_of(survey, COMMUNE, CATALOGUE) == gaps


def test_a_survey_of_nothing_knows_nothing() -> None:
    gaps = gaps_of(Survey(), COMMUNE, CATALOGUE)
    assert gaps.missing == () and gaps.without_driver == ()
    assert set(gaps.unknown) == set(GROUPS) - {"decoder"}


@given(surveys())
def test_what_a_room_is_told_to_watch_can_be_watched_and_holds_no_password(survey: Survey) -> None:
    devices = desired_of(survey, CATALOGUE, CENTRE)
    assert len({device.id for device in devices}) == len(devices)
    for device in devices:
        group = next(group for group, roles in GROUPS.items() if device.role in roles)
        piece = survey.piece(group)
        assert piece.has and device.driver in CATALOGUE.drivers_of(device.role)
        assert device.role in registry.description_of(device.driver).roles
        assert not piece.driver or device.driver == piece.driver
        password = device.settings.get("password")
        assert password is None or (isinstance(password, Secret) and piece.has_password)
        for value in device.settings.values():
            assert "{centre" not in str(value)
    told = {device.role for device in devices}
    gaps = gaps_of(survey, COMMUNE, CATALOGUE)
    for group, roles in GROUPS.items():
        if survey.piece(group).has and roles and group not in gaps.without_driver:
            assert told & set(roles), f"{group} has a driver and is not told"


@pytest.mark.parametrize(
    ("role", "driver"),
    [(role, name) for roles in GROUPS.values() for role in roles for name in CATALOGUE.drivers_of(role)],
)
def test_a_driver_can_read_what_a_survey_tells_it(role: str, driver: str) -> None:
    """An address is told only to who can use it: a setting that a driver does not have is refused by the agent."""
    group = next(group for group, roles in GROUPS.items() if role in roles)
    piece = Piece(
        has=True, driver=driver, address="192.0.2.7", username="noc", has_password=True, make="Make", model="X32"
    )
    (device,) = desired_of(Survey({group: piece}), CATALOGUE, CENTRE)
    assert driver != "line" or device.settings["host"] == "diemcau.example", "the line is measured to the centre"
    wanted = {field.name for field in msgspec.structs.fields(registry.driver_class(driver).Settings)}
    assert set(device.settings) <= wanted
    plain = {
        key: "secret" if isinstance(value, Secret) else int(value) if isinstance(value, float) else value
        for key, value in device.settings.items()
    }
    msgspec.convert(plain, registry.driver_class(driver).Settings)


@given(st.sets(st.integers(1, 12)).map(lambda found: [f"camera-{number}" for number in found]))
def test_a_free_id_is_the_first_that_nobody_has(taken: list[str]) -> None:
    free = free_id("camera", taken)
    assert free not in taken
    assert all(f"camera-{number}" in taken for number in range(1, int(free.removeprefix("camera-"))))


def progress_of(site: str, survey: Survey | None, name: str = "Xã A", said: Stage | None = None) -> SiteProgress:
    plan = plan_of(COMMUNE, None, checks())
    row = SiteRow(site, "", name, "commune", None, None, None, 5, 5)
    entry = SiteEntry(row, Room(False), plan, judge(Room(False), plan, 0.0), Verdict.OFFLINE, 0.0)
    gaps = gaps_of(survey, COMMUNE, CATALOGUE) if survey else None
    stage = stage_of(said, survey is not None, gaps, False, False)
    return SiteProgress(entry, stage, SurveyRow(site, survey, NOW, "A") if survey else None, gaps, None)


def whole(survey: Survey) -> Any:
    """A survey with every group named, so that "not looked at" and "not named" are one."""
    return msgspec.structs.replace(survey, pieces={group: survey.piece(group) for group in EQUIPPED})


KNOWN = {"38-1": "Xã A", "38-2": "Xã B"}


def filled(*rows: dict[str, Any], head: list[str] | None = None) -> bytes:
    """A template as somebody fills it in."""
    book = load_workbook(io.BytesIO(template([progress_of(site, None, name) for site, name in KNOWN.items()], "vi")))
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    names = [str(cell.value) for cell in sheet[2]]
    if head is not None:
        for number, name in enumerate(head, start=1):
            sheet.cell(2, number, name)
    for number, row in enumerate(rows, start=3):
        for name, value in row.items():
            sheet.cell(number, names.index(name) + 1, value)
    return packed(book)


def packed(book: Workbook) -> bytes:
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def test_a_template_that_is_filled_in_comes_back_as_surveys() -> None:
    data = filled(
        {"contact": "Lê Văn A", "phone": "0912 345 678", "line_kind": "thuê riêng", "line_down_mbit_s": 5.5,
         "camera.has": "Có", "camera.make": "Hikvision", "camera.model": 2143, "camera.year": 2021,
         "ups.has": "không", "pc.has": True, "display.has": "x"},
        {"line_kind": "Internet", "line_up_mbit_s": "4,5", "storage.has": 0, "light.has": "CÓ "},
    )  # fmt: skip
    found = surveys_in(data, KNOWN)
    first, second = found["38-1"], found["38-2"]
    assert (first.contact, first.phone, first.line_kind, first.line_down_mbit_s) == (
        "Lê Văn A", "0912 345 678", "leased", 5.5,
    )  # fmt: skip
    assert first.piece("camera") == Piece(has=True, make="Hikvision", model="2143", year=2021)
    assert [first.piece(group).has for group in ("ups", "pc", "display", "light")] == [False, True, True, None]
    assert (second.line_kind, second.line_up_mbit_s) == ("internet", 4.5)
    assert [second.piece(group).has for group in ("storage", "light")] == [False, True]


@given(surveys(), st.sampled_from(LANGS))
@settings(max_examples=60)
def test_a_survey_is_the_same_after_its_way_through_excel(survey: Survey, lang: Lang) -> None:
    data = template([progress_of("38-1", survey), progress_of("38-2", None)], lang)
    try:
        found = surveys_in(data, KNOWN)
    except BadFile as error:
        assert error.key == "survey.empty" and whole(survey) == whole(Survey())
        return
    assert set(found) <= {"38-1"}
    assert whole(found.get("38-1", Survey())) == whole(survey)


def test_a_telephone_number_keeps_its_zero_when_it_is_typed_into_the_template() -> None:
    book = load_workbook(io.BytesIO(template([progress_of("38-1", None)], "vi")))
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    names = [str(cell.value) for cell in sheet[2]]
    assert sheet.cell(3, names.index("phone") + 1).number_format == "@", "a cell of text"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"site_id": "38-9"}, "38-9"),
        ({"site_id": "38-1"}, "2x"),
        ({"camera.has": "maybe"}, "maybe"),
        ({"camera.year": "năm ngoái"}, "năm ngoái"),
        ({"camera.year": 1889}, "camera.year '1889'"),
        ({"camera.year": "inf"}, "inf"),
        ({"camera.year": "nan"}, "nan"),
        ({"line_down_mbit_s": "1e400"}, "line_down_mbit_s"),
        ({"line_down_mbit_s": -1}, "line_down_mbit_s"),
        ({"line_up_mbit_s": "5 Mb"}, "5 Mb"),
        ({"line_kind": "carrier pigeon"}, "line_kind"),
        ({"camera.make": "x" * 200}, "make"),
        ({"camera.driver": "Not A Name!"}, "driver"),
    ],
)
def test_a_wrong_row_is_named_with_its_number_and_nothing_is_taken(row: dict[str, Any], said: str) -> None:
    with pytest.raises(BadFile) as found:
        surveys_in(filled({"contact": "A"}, {"contact": "B", **row}), KNOWN)
    assert found.value.key == "survey.wrong_rows" and found.value.params["count"] == 1
    assert found.value.params["rows"].strip().startswith("4: ") and said in found.value.params["rows"]


def test_every_wrong_row_is_named() -> None:
    with pytest.raises(BadFile) as found:
        surveys_in(filled({"camera.has": "?"}, {"camera.year": "?"}), KNOWN)
    lines = [line.strip() for line in found.value.params["rows"].splitlines() if line.strip()]
    assert [line.split(":")[0] for line in lines] == ["3", "4"] and found.value.params["count"] == 2


def test_a_file_with_nothing_new_or_other_columns_says_so() -> None:
    for data, key in (
        (filled(), "survey.empty"),
        (filled(head=["site_id", "name", "colour"]), "survey.unknown_columns"),
        (packed(Workbook()), "survey.no_head"),
    ):
        with pytest.raises(BadFile) as found:
            surveys_in(data, KNOWN)
        assert found.value.key == key


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0", '=HYPERLINK("x")'])
def test_a_formula_that_somebody_wrote_is_only_text(text: str) -> None:
    survey = Survey({"camera": Piece(has=True, make=text, note=text)}, contact=text)
    site = progress_of("38-1", survey, name=text)
    for lang in LANGS:
        for data in (template([site], lang), progress_book([site], lang, NOW)):
            cells = [cell for sheet in load_workbook(io.BytesIO(data)) for row in sheet.iter_rows() for cell in row]
            assert [cell for cell in cells if cell.value == f"'{text}"]
            assert all(
                cell.data_type != "f" and not str(cell.value or "").startswith(tuple("=+-@\t")) for cell in cells
            )
        assert surveys_in(template([site], lang), KNOWN)["38-1"].contact == text.strip()


def test_what_excel_cannot_hold_does_not_break_a_book() -> None:
    survey = Survey({"camera": Piece(has=True, make="A\x00B\x0b\x1f")}, contact="\x07Lê")
    site = progress_of("38-1", survey, name="Xã\x01 A")
    for lang in LANGS:
        assert surveys_in(template([site], lang), KNOWN)["38-1"].piece("camera").make == "AB"
        assert progress_book([site], lang, NOW)


def test_the_progress_of_the_province_counts_every_stage() -> None:
    everything = Survey({group: Piece(has=True) for group in EQUIPPED}, contact="A")
    sites = [
        progress_of("38-1", None), progress_of("38-2", everything), progress_of("38-3", everything, said=Stage.PILOTED)
    ]  # fmt: skip
    book = load_workbook(io.BytesIO(progress_book(sites, "vi", NOW)))
    listed, counted = book.worksheets
    assert listed.max_row == 4 and listed.max_column == 10
    assert sum(int(str(row[1])) for row in counted.iter_rows(max_row=len(STAGES), values_only=True)) == 3


def bomb(name: str, content: bytes, base: bytes) -> bytes:
    """A workbook with one of its parts replaced."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(base)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for part in source.namelist():
            if part != name:
                made.writestr(part, source.read(part))
        made.writestr(name, content)
    return target.getvalue()


_SHEET = "xl/worksheets/sheet1.xml"
_LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">""" + b"".join(
    b'<!ENTITY %c "%s">' % (98 + step, b"&%c;" % (97 + step) * 10) for step in range(9)
) + b"]><worksheet><sheetData><row><c><v>&j;</v></c></row></sheetData></worksheet>"  # fmt: skip
_GOOD = filled({"contact": "A"})


@pytest.mark.parametrize(
    "data",
    [
        b"", b"x", b"site_id,contact\n38-1,A\n", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), _GOOD[:-30],
        _GOOD[: len(_GOOD) // 2],
        b"%PDF-1.7", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        bomb(_SHEET, b"<" * 100, _GOOD), bomb(_SHEET, b"", _GOOD), bomb(_SHEET, _LAUGHS, _GOOD),
        bomb(_SHEET, b"<worksheet><sheetData><row r='x'/></sheetData></worksheet>", _GOOD),
        bomb("xl/workbook.xml", b"<workbook/>", _GOOD), bomb("[Content_Types].xml", b"<Types/>", _GOOD),
bomb("xl/styles.xml", b"<a", _GOOD),
        bomb("xl/big.bin", bytes(80_000_000), _GOOD), bytes(spreadsheet.MOST_BYTES + 1),
    ],
    ids=range(18),
)  # fmt: skip
def test_what_is_no_excel_file_of_a_sane_size_is_a_bad_file(data: bytes) -> None:
    with pytest.raises(BadFile):
        surveys_in(data, KNOWN)


def test_a_very_wide_or_very_long_sheet_is_read_within_bounds() -> None:
    rows = b"".join(b"<row r='%d'><c r='XFD%d'><v>1</v></c></row>" % (n, n) for n in range(1, 5_000))
    wide = bomb(_SHEET, b"<worksheet><sheetData>" + rows + b"</sheetData></worksheet>", _GOOD)
    with pytest.raises(BadFile):
        surveys_in(wide, KNOWN)


@given(st.binary(max_size=3_000))
def test_any_bytes_are_a_bad_file(data: bytes) -> None:
    with pytest.raises(BadFile):
        surveys_in(data, KNOWN)


@given(st.integers(0, len(_GOOD) - 1), st.binary(min_size=1, max_size=8))
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
def test_a_file_that_was_damaged_on_its_way_is_read_or_refused(at: int, noise: bytes) -> None:
    with contextlib.suppress(BadFile):
        surveys_in(_GOOD[:at] + noise + _GOOD[at + len(noise) :], KNOWN)


PARTS = st.sampled_from(
    [_SHEET, "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml", "xl/_rels/workbook.xml.rels"]
)


@given(PARTS, st.data())
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@pytest.mark.filterwarnings("ignore::UserWarning:openpyxl")
def test_a_workbook_whose_parts_are_nonsense_is_read_or_refused(part: str, data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(_GOOD)) as source:
        whole_part = source.read(part)
    at = data.draw(st.integers(0, len(whole_part) - 1))
    noise = data.draw(st.binary(max_size=6) | st.sampled_from([b"<", b">", b'"', b"0", b"A", b"-1", b"99999999999"]))
    cut = data.draw(st.integers(0, 30))
    with contextlib.suppress(BadFile):
        surveys_in(bomb(part, whole_part[:at] + noise + whole_part[at + cut :], _GOOD), KNOWN)


def test_every_column_of_a_survey_has_a_name_in_both_languages() -> None:
    for lang in LANGS:
        sheet = load_workbook(io.BytesIO(template([progress_of("38-1", None)], lang))).active
        assert isinstance(sheet, Worksheet)
        headings = [str(cell.value) for cell in sheet[1]]
        assert len(headings) == len(columns()) == len(set(headings))
        assert not [heading for heading in headings if "survey." in heading or "group." in heading]


def test_found_devices_stay_when_a_survey_is_sent_to_the_room_anew() -> None:
    found = DesiredDevice("camera-2", "camera", "camera_onvif", {"host": "192.0.2.7"})
    gone = DesiredDevice("display-1", "display", "display_pjlink", {"host": "192.0.2.8"})
    surveyed = (DesiredDevice("pc-1", "pc", "pc"),)
    assert with_survey((found, gone), surveyed) == (*surveyed, found)


def test_the_line_of_a_survey_is_told_where_the_centre_is() -> None:
    line = next(d for d in desired_of(Survey({"line": Piece(has=True)}), CATALOGUE, CENTRE) if d.role == "line")
    assert line.settings == {"host": "diemcau.example", "port": 8080.0, "url": "https://diemcau.example"}
