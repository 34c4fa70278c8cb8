"""The examination of profiles: each fault on its line, all of them at once, and whatever a file holds, no crash."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.registry import description_of, drivers
from firmware_profiles.catalogue import Catalogue
from firmware_profiles.errors import WrongFile
from firmware_profiles.examination import Asked, Fault, ProfileFile, examine
from firmware_profiles.loader import blueprints, catalogue_of, parsed, shipped_families
from firmware_profiles.schema import Family, SiteOverride
from fleet_server.domain.checks import checks
from fleet_server.profiles_check import faults_in
from fleet_server.texts import has, texts, translate
from tests.counterparts.forked import run_to_end
from wire.messages import DeviceAbout

DESCRIPTIONS = [description_of(name) for name in sorted(drivers())]
ASKED = {
    name: Asked(
        frozenset(check.reads),
        frozenset(limit for plan in blueprints().values() if name in plan.checks for limit in plan.checks[name].limits),
    )
    for name, check in checks().items()
}
HEAD = "family: own\nmatch: {driver: camera_onvif, roles: [camera]}\n"


def faults(*files: str, kind: type[Family] | type[SiteOverride] = Family) -> list[Fault]:
    return examine([ProfileFile(f"{n}.yaml", text, kind) for n, text in enumerate(files)], DESCRIPTIONS, ASKED)


def found(*files: str, kind: type[Family] | type[SiteOverride] = Family) -> list[tuple[str, int]]:
    return [(fault.key, fault.line) for fault in faults(*files, kind=kind)]


def test_what_comes_with_us_has_no_fault() -> None:
    files = [ProfileFile(name, text) for name, text in shipped_families()]
    assert len(files) > 20
    assert examine(files, DESCRIPTIONS, ASKED) == []


ONE_FAULT = {
    "not_yaml": [
        ("family: own\nmatch: {driver: pc\n", 3),
        ("family: own\nmatch: {driver: pc}\nfirmware: {minimum: 2026-02-31}\n", 3),
        ("family: own\nmatch: {driver: pc}\nsettings: {cpu: {wanted: 0b_}}\n", 3),
        ("a: 1\nb: !!python/object:os.system x\n", 2),
        ("[" * 3_000, 1),
        ("a: \x00", 1),
    ],
    "wrong_form": [
        ("", 1),
        ("- family\n", 1),
        (HEAD + "firmwares: {}\n", 3),
        (HEAD + "settings:\n  width:\n    wanted: 1\n    differs: never\n", 6),
        (HEAD + "firmware:\n  minimum: 5.5\n", 4),
        (HEAD + "thresholds:\n  1: {}\n", 3),
        (HEAD + "thresholds:\n  camera_clock:\n    limits: {warn_s: .nan}\n", 3),
        (HEAD + "notes:\n  vi: chỉ một thứ tiếng\n", 3),
    ],
    "bad_pattern": [
        ("family: own\nmatch:\n  driver: pc\n  make: '('\n", 4),
        ("family: own\nmatch:\n  driver: pc\n  model: '*'\n", 4),
        ("family: own\nmatch:\n  driver: pc\n  model: 'a{4294967296}'\n", 4),
        (HEAD + "firmware:\n  accepted:\n    - 'V5.*'\n    - '['\n", 6),
        (HEAD + "firmware:\n  refused:\n    - version: '+'\n      source: abc\n      reason: {vi: a, en: a}\n", 5),
    ],
    "no_version_group": [(HEAD + "firmware:\n  reads: 'V[0-9.]+'\n", 4)],
    "no_driver": [("family: own\nmatch:\n  roles: [camera]\n  driver: camera_onvf\n", 4)],
    "not_its_role": [("family: own\nmatch:\n  driver: pc\n  roles: [pc, camera]\n", 4)],
    "no_check": [(HEAD + "thresholds:\n  picture_show: {}\n", 4)],
    "not_supplied": [(HEAD + "thresholds:\n  power_lasts: {}\n", 4)],
    "no_limit": [(HEAD + "thresholds:\n  picture_shows:\n    limits:\n      frozen_s: 5\n      frozen_m: 5\n", 7)],
    "no_reading": [(HEAD + "settings:\n  ntp_sever: {wanted: a}\n", 4)],
    "cannot_be": [
        (HEAD + "settings:\n  ntp_server:\n    wanted: 5\n", 5),
        (HEAD + "settings:\n  frame:\n    wanted: 'yes'\n", 5),
        (HEAD + "settings:\n  width:\n    wanted: true\n", 5),
        (HEAD + "settings:\n  width:\n    wanted: null\n", 5),
        (HEAD + "settings:\n  brightness:\n    wanted: 101\n", 5),
        ("family: own\nmatch: {driver: ups_nut}\nsettings:\n  beeper:\n    wanted: loud\n", 5),
    ],
    "cannot_mend": [(HEAD + "settings:\n  ntp_server:\n    wanted: a\n    differs: mend\n", 6)],
    "no_action": [
        (HEAD + "actions:\n  reboots: {allowed: false}\n", 4),
        (HEAD + "settings:\n  ntp_server:\n    wanted: a\n    set_by:\n      param: server\n      action: ntp\n", 8),
    ],
    "no_param": [
        (HEAD + "settings:\n  ntp_server:\n    wanted: a\n    set_by:\n      action: set_ntp\n      param: host\n", 8)
    ],
    "refuses_nothing": [(HEAD + "firmware:\n  refused:\n    - source: abc\n      reason: {vi: a, en: a}\n", 5)],
    "no_source": [
        (HEAD + "firmware:\n  minimum: '5.5'\n", 4),
        (HEAD + "actions:\n  reboot:\n    proved: true\n", 4),
        ("family: own\nmatch: {driver: ups_nut}\nactions:\n  outlet.n.load.cycle: {proved: true}\n", 4),
    ],
}
CASES = [(key, text, line) for key, cases in ONE_FAULT.items() for text, line in cases]


@pytest.mark.parametrize(("key", "text", "line"), CASES)
def test_a_fault_is_found_on_its_line(key: str, text: str, line: int) -> None:
    assert found(text) == [(key, line)]


PARENT = "family: generic\nmatch: {driver: camera_onvif, roles: [camera]}\n"
CHILD = "family: own\nextends: generic\nmatch: {driver: camera_onvif, make: K}\n"
BETWEEN = {
    "name_twice": (PARENT, "match: {driver: camera_onvif, make: K}\nfamily: generic\n", 2),
    "never_matches": (PARENT, "family: own\n\nmatch: {roles: [camera], driver: camera_onvif}\n", 3),
    "no_parent": (PARENT, CHILD.replace("generic", "generc"), 2),
    "other_driver": (PARENT, CHILD.replace("camera_onvif", "camera_usb"), 2),
}


@pytest.mark.parametrize("key", BETWEEN)
def test_families_that_contradict_each_other_are_found_in_the_later_file(key: str) -> None:
    first, second, line = BETWEEN[key]
    assert [(fault.file, fault.key, fault.line) for fault in faults(first, second)] == [("1.yaml", key, line)]


def test_a_family_may_extend_one_level_and_no_more() -> None:
    third = CHILD.replace("own", "third").replace("generic", "own").replace("make: K", "model: K-1")
    assert faults(PARENT, CHILD) == []
    assert [(fault.file, fault.key, fault.line) for fault in faults(PARENT, CHILD, third)] == [
        ("2.yaml", "two_levels", 2)
    ]


def test_every_fault_that_has_words_is_tried_here() -> None:
    worded = {key.removeprefix("profiles.") for key in texts() if key.startswith("profiles.")}
    assert worded - {"summary"} == {*ONE_FAULT, *BETWEEN, "two_levels"}


@pytest.mark.parametrize(("key", "text", "line"), CASES)
def test_a_fault_reads_as_a_sentence_without_a_hole(key: str, text: str, line: int) -> None:
    for fault in faults(text):
        vi, en = (translate(lang, f"profiles.{fault.key}", **fault.params) for lang in ("vi", "en"))
        assert vi != en
        for name, value in fault.params.items():
            assert f"{{{name}}}" not in vi.replace(value, "") and f"{{{name}}}" not in en.replace(value, "")


SITE = """
devices:
  camera-1:
    settings:
      ntp_server: {wanted: a, differs: mend}
    thresholds:
      picture_show: {}
      picture_shows:
        limits: {blue: 1}
    actions:
      reboot: {proved: true}
"""


def test_an_override_has_its_faults_too() -> None:
    assert found(SITE, kind=SiteOverride) == [
        ("cannot_mend", 5), ("no_check", 7), ("no_limit", 9), ("no_source", 11),
    ]  # fmt: skip
    assert found("devices: {Camera 1: {}}\n", kind=SiteOverride) == [("wrong_form", 1)]
    assert found("devices: {}\n", kind=SiteOverride) == []
    assert found(HEAD, kind=SiteOverride)[0] == ("wrong_form", 1)


def test_all_faults_of_a_file_are_found_at_once() -> None:
    text = (
        "family: own\n"
        "match: {driver: camera_onvif, roles: [pc], make: '('}\n"
        "firmware:\n"
        "  reads: 'x'\n"
        "  minimum: '1'\n"
        "settings:\n"
        "  ntp_server: {wanted: 5, differs: mend}\n"
        "  colour: {wanted: red}\n"
        "thresholds:\n"
        "  moon: {}\n"
        "actions:\n"
        "  jump: {proved: true}\n"
    )
    assert found(text) == [
        ("bad_pattern", 2), ("not_its_role", 2), ("no_version_group", 4), ("no_source", 5), ("cannot_be", 7),
        ("cannot_mend", 7), ("no_reading", 8), ("no_check", 10), ("no_action", 12), ("no_source", 12),
    ]  # fmt: skip


def test_all_that_is_wrong_in_form_is_found_at_once() -> None:
    text = "family: Own\nmatch: {driver: pc, colour: red}\nthreshold: {}\nqcvn_135: perhaps\n"
    assert found(text) == [("wrong_form", 1), ("wrong_form", 2), ("wrong_form", 3), ("wrong_form", 4)]


def test_a_broken_file_hides_nothing_of_the_others() -> None:
    assert [fault.file for fault in faults("[", HEAD + "actions: {x: {}}\n", "{}")] == [
        "0.yaml",
        "1.yaml",
        *["2.yaml"] * 2,
    ]


def test_what_is_named_like_a_pattern_elsewhere_is_none() -> None:
    text = "family: own\nmatch: {driver: probe, roles: [decoder]}\ndefaults: {make: 'A (B', model: '*'}\n"
    assert found(text) == []


WORDS = (
    "family match driver roles make model extends firmware reads minimum accepted refused version below settings wanted"
    " differs set_by thresholds limits max_age_s actions proved notes sources devices camera-1 a"
)
YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS.split()) | st.integers(0, 3) | st.none() | st.booleans(), inner, max_size=4
        )
    ),
    max_leaves=12,
)
TAILS = st.dictionaries(
    st.sampled_from(["firmware", "settings", "thresholds", "actions", "defaults", "notes", "sources", "qcvn_135"]),
    YAML,
    max_size=4,
)
TEXTS = (
    st.text(max_size=60)
    | st.text("{}[]:-&*!|>'\"#%@`?, \n\tab0_.1", max_size=40)
    | YAML.map(lambda content: yaml.safe_dump(content, allow_unicode=True))
    | TAILS.map(lambda tail: HEAD + yaml.safe_dump(tail, allow_unicode=True))
    | st.tuples(st.sampled_from([text for _, text, _ in CASES]), st.integers(0, 200)).map(lambda cut: cut[0][: cut[1]])
)


@given(st.lists(st.tuples(TEXTS, st.sampled_from([Family, SiteOverride])), max_size=3))
def test_no_text_makes_an_examination_fail(files: list[tuple[str, type[Family] | type[SiteOverride]]]) -> None:
    named = [ProfileFile(f"{n}.yaml", text, kind) for n, (text, kind) in enumerate(files)]
    for fault in examine(named, DESCRIPTIONS, ASKED):
        text = named[int(fault.file[0])].text
        # YAML knows more ways to end a line than one.
        assert 1 <= fault.line <= len(text.splitlines()) + 1
        assert has(f"profiles.{fault.key}")


@given(TEXTS)
def test_what_has_no_fault_can_be_loaded(text: str) -> None:
    if faults(text) == []:
        Catalogue((parsed("own.yaml", text, Family),), {})
    try:
        parsed("own.yaml", text, SiteOverride)
    except WrongFile as error:
        assert str(error).startswith("own.yaml: ")


# The command and the server themselves.


def server(folder: Path, *words: str, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
    return run_to_end("--folder", str(folder), *words, within_s=timeout)


def wrote(folder: Path, name: str, text: str) -> Path:
    file = folder / "profiles" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_the_command_finds_nothing_wrong_with_what_comes_with_us(tmp_path: Path) -> None:
    ran = server(tmp_path, "profiles", "check")
    assert (ran.returncode, ran.stdout) == (0, "Số lỗi: 0\n"), ran.stderr


def test_the_command_names_file_and_line_of_each_fault_in_both_languages(tmp_path: Path) -> None:
    own = wrote(tmp_path, "families/own.yaml", HEAD.replace("roles: [camera]", "make: K") + "actions:\n  jump: {}\n")
    site = wrote(tmp_path, "sites/38-1.yaml", SITE)
    vi = server(tmp_path, "profiles", "check")
    en = server(tmp_path, "--lang", "en", "profiles", "check")
    assert (vi.returncode, en.returncode) == (1, 1), vi.stderr + en.stderr
    for ran in (vi, en):
        places = [line.split(": ")[0] for line in ran.stdout.splitlines()[:-1]]
        assert places == [f"{own}:4", f"{site}:5", f"{site}:7", f"{site}:9", f"{site}:11"]
    assert "actions.jump: trình điều khiển không có thao tác jump" in vi.stdout
    assert "actions.jump: the driver has no action jump; there are: go_to_preset, reboot, set_ntp" in en.stdout
    assert vi.stdout.endswith("Số lỗi: 5\n") and en.stdout.endswith("Errors: 5\n")


def test_a_provinces_file_of_the_same_name_is_no_fault(tmp_path: Path) -> None:
    wrote(tmp_path, "families/ups_generic.yaml", "family: ups_generic\nmatch: {driver: ups_nut, roles: [ups]}\n")
    ran = server(tmp_path, "profiles", "check")
    assert ran.returncode == 0, ran.stdout


def test_the_command_takes_the_drivers_of_another_machine(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "edge_agent.cli", "describe", "--json"], capture_output=True, timeout=60, check=True
    )
    file = tmp_path / "drivers.json"
    file.write_bytes(told.stdout)
    assert server(tmp_path, "profiles", "check", "--drivers", str(file)).returncode == 0
    file.write_text("[]")
    without = server(tmp_path, "--lang", "en", "profiles", "check", "--drivers", str(file))
    assert without.returncode == 1 and "there is no driver camera_onvif" in without.stdout
    file.write_text("{")
    assert server(tmp_path, "profiles", "check", "--drivers", str(file)).returncode == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("families/own.yaml", CHILD.replace("generic", "nobody").encode(), "extends 'nobody'"),
        ("families/own.yaml", b"family: own\nmatch: {driver: pc, model: '('}\n", "no regular expression"),
        ("families/own.yaml", b"family: [\n", "own.yaml"),
        ("families/own.yaml", b"family: 2026-02-31\n", "own.yaml"),
        ("families/own.yaml", b"\xff\xfe\x00", "own.yaml"),
        ("sites/38-1.yaml", b"devices: 7\n", "38-1.yaml"),
    ],
    ids=["no parent", "pattern", "not yaml", "no date", "not text", "override"],
)
def test_a_server_does_not_start_with_a_broken_profile_and_says_so(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    wrote(tmp_path, name, "").write_bytes(content)
    ran = server(tmp_path, "serve", "--port", "1", "--broker", "127.0.0.1:1", timeout=30)
    assert ran.returncode == 2, ran.stderr
    assert "diemcau-server: " in ran.stderr and says in ran.stderr and "Traceback" not in ran.stderr


def test_the_profiles_of_the_administrators_guide_are_right(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs/administrator.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n# profiles/(\S+)\n(.*?)```", guide, re.DOTALL)
    assert {name.split("/")[0] for name, _ in blocks} == {"families", "sites"}
    for name, text in blocks:
        file = tmp_path / "profiles" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert faults_in(tmp_path / "profiles", None) == []
    catalogue = catalogue_of(tmp_path / "profiles")
    smart = DeviceAbout("ups-1", "ups", "ups_nut", make="APC", model="Smart-UPS X 1500VA")
    profile = catalogue.profile_of("38-14797", smart)
    assert profile is not None and profile.rule("outlet.1.load.cycle").proved
