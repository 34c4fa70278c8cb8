"""The catalogue: which profile a device has, what it rests on, and which catalogues cannot be."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.registry import drivers
from firmware_profiles.catalogue import Catalogue, Profile
from firmware_profiles.errors import WrongFile
from firmware_profiles.examination import schema_of
from firmware_profiles.loader import catalogue_of, parsed, shipped_families
from firmware_profiles.schema import ActionRule, Blueprint, Family, Match, SiteOverride
from wire.messages import DeviceAbout

SHIPPED = catalogue_of(None)
FOLDER = Path(__file__).parents[2] / "firmware_profiles"


def family(text: str) -> Family:
    return parsed("test.yaml", text, Family)


def catalogue(*texts: str, **overrides: str) -> Catalogue:
    sites = {site.replace("_", "-"): parsed(site, text, SiteOverride) for site, text in overrides.items()}
    return Catalogue(tuple(family(text) for text in texts), sites)


def profile(found: Catalogue, site: str = "38-1", model: str = "K-1") -> Profile:
    had = found.profile_of(site, DeviceAbout("camera-1", "camera", "camera_onvif", make="Kamera", model=model))
    assert had is not None
    return had


@pytest.mark.parametrize("name", sorted(SHIPPED.families))
def test_a_family_that_claims_something_of_a_make_names_its_sources(name: str) -> None:
    known = SHIPPED.families[name]
    speaks_of_a_make = known.match.make is not None or known.match.model is not None
    claims = [refused.source for refused in known.firmware.refused]
    claims += [rule.source for rule in known.actions.values()]
    if known.firmware.minimum is not None:
        claims.append(known.firmware.minimum_source)
    assert all(claims), "every rule of firmware and every word on an action has a source"
    if speaks_of_a_make:
        assert known.sources or claims, "who tells makes apart says from where it is known"
    if known.notes is not None and speaks_of_a_make:
        assert known.sources or claims, "a note on a make says from where it is known"


@pytest.mark.parametrize("name", sorted(SHIPPED.families))
def test_a_shipped_family_is_named_as_its_file_and_counts_on_its_generic_one(name: str) -> None:
    known = SHIPPED.families[name]
    assert f"{name}.yaml" in dict(shipped_families())
    assert known.match.driver in drivers()
    if known.extends is not None:
        generic = SHIPPED.families[known.extends]
        assert generic.match.driver == known.match.driver
        assert generic.match.detail < known.match.detail, "else the generic one would win over it"


@pytest.mark.parametrize(("name", "kind"), [("family", Family), ("site", SiteOverride), ("blueprint", Blueprint)])
def test_the_schema_for_editors_is_the_form_that_we_read(name: str, kind: type[msgspec.Struct]) -> None:
    shipped = (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    assert shipped == json.dumps(schema_of(kind), indent=1, ensure_ascii=False, sort_keys=True) + "\n", (
        'write it anew: json.dumps(schema_of(kind), indent=1, ensure_ascii=False, sort_keys=True) + "\\n"'
    )


WELL_KNOWN = [
    ("camera", "camera_onvif", "HIKVISION", "DS-2CD2142F-I", "hikvision_2012"),
    ("camera", "camera_onvif", "Hikvision", "DS-2CD2032F-I", "hikvision_2012"),
    ("camera", "camera_onvif", "HIKVISION", "DS-2CD2420F-IW", "hikvision_2012"),
    ("camera", "camera_onvif", "HIKVISION", "DS-2CD2342FWD-I", "hikvision_2012"),
    ("camera", "camera_onvif", "Hikvision", "DS-2CD2143G2-I", "hikvision"),
    ("camera", "camera_onvif", "HIKVISION", "", "hikvision"),
    ("camera", "camera_onvif", "Dahua", "IPC-HFW3441EP", "dahua_ipc_3_5"),
    ("camera", "camera_onvif", "Dahua Technology", "DH-IPC-HDBW5442R", "dahua_ipc_3_5"),
    ("camera", "camera_onvif", "Dahua", "IPC-HUM7122", "dahua_ipc_3_5"),
    ("camera", "camera_onvif", "Dahua", "IPC-HFW2431S", "dahua"),
    ("camera", "camera_onvif", "AXIS", "P3245-LV", "axis"),
    ("camera", "camera_onvif", "KBVISION", "KX-C4K01", "kbvision"),
    ("camera", "camera_onvif", "Dahua", "KX-C4K01", "kbvision"),
    ("camera", "camera_onvif", "Uniview", "IPC3614", "camera_generic"),
    ("camera", "camera_onvif", "", "", "camera_generic"),
    ("camera", "camera_usb", "", "Logitech BRIO [046d:085e]", "logitech_webcam"),
    ("camera", "camera_usb", "", "HD Pro Webcam C920 [046d:0892]", "logitech_webcam"),
    ("camera", "camera_usb", "", "Logitech MeetUp [046d:0866]", "logitech_room"),
    ("camera", "camera_usb", "", "LifeCam HD-3000 [045e:0779]", "microsoft_lifecam"),
    ("camera", "camera_usb", "", "CAM520 [2574:0910]", "aver_usb"),
    ("camera", "camera_usb", "", "USB 2.0 Camera [1bcf:2c99]", "usb_camera_generic"),
    ("ups", "ups_nut", "American Power Conversion ", "Smart-UPS 1500", "apc"),
    ("ups", "ups_nut", "APC", "Back-UPS BX1600MI", "apc"),
    ("ups", "ups_nut", "SANTAK", "C1KS-LCD", "santak"),
    ("ups", "ups_nut", "", "Castle C1K", "santak"),
    ("ups", "ups_nut", "EATON", "5E 1100i", "ups_generic"),
    ("ups", "snmp", "EATON", "9PX", "ups_snmp"),
    ("mixer", "mixer_osc", "Behringer", "X32", "x32"),
    ("mixer", "mixer_osc", "Midas", "M32R", "x32"),
    ("mixer", "mixer_osc", "Behringer", "XR18", "xair"),
    ("audio", "audio_alsa", "", "Jabra SPEAK 510 USB", "jabra_speak"),
    ("audio", "audio_alsa", "", "Scarlett 2i2 USB", "focusrite_scarlett"),
    ("audio", "audio_alsa", "", "UMC204HD 192k", "behringer_umc"),
    ("audio", "audio_alsa", "", "HDA Intel PCH", "sound_generic"),
    ("pc", "pc", "Intel(R) Client Systems", "NUC10i5FNH", "mini_pc_nuc"),
    ("pc", "pc", "Dell Inc.", "OptiPlex 3080", "pc_generic"),
    ("display", "display_pjlink", "EPSON", "EB-L210W", "pjlink_generic"),
    ("display", "display_screen", "SAM", "U32J59x", "screen_generic"),
    ("decoder", "snmp", "Poly", "G7500", "decoder_generic"),
    ("line", "snmp", "Cisco", "C1000-8P", "switch_generic"),
    ("line", "line", "VNPT", "FiberXtra 5M", "line_to_centre"),
    ("decoder", "probe", "Yealink", "PVT980", "probed"),
    ("storage", "storage", "WD", "My Passport", "disk_generic"),
    ("light", "light", "Philips", "CoreLine 36W", "lamps"),
    ("relay", "relay_gpio", "", "", "relays"),
]


@pytest.mark.parametrize(("role", "driver", "make", "model", "wanted"), WELL_KNOWN)
def test_a_well_known_device_has_its_family(role: str, driver: str, make: str, model: str, wanted: str) -> None:
    found = SHIPPED.profile_of("38-1", DeviceAbout("d", role, driver, make=make, model=model))  # type: ignore[arg-type]
    assert found is not None and found.family == wanted


def test_every_shipped_family_is_somebodys() -> None:
    assert {wanted for *_, wanted in WELL_KNOWN} == set(SHIPPED.families)


def test_a_device_of_no_family_has_no_profile() -> None:
    assert SHIPPED.profile_of("38-1", DeviceAbout("d", "camera", "pc")) is None
    assert SHIPPED.profile_of("38-1", DeviceAbout("d", "mixer", "mixer_osc", make="Yamaha", model="TF1")) is None


WORDS = st.sampled_from([None, "Kamera", "K.*", "K-1"])
MATCHES = st.builds(Match, st.just("camera_onvif"), st.sampled_from([(), ("camera",)]), WORDS, WORDS)


@given(st.lists(MATCHES, max_size=8), st.sampled_from(["Kamera", "Other", ""]), st.sampled_from(["K-1", "K-2", ""]))
def test_who_says_more_wins(matches: list[Match], make: str, model: str) -> None:
    families = tuple(Family(f"f{number}", match) for number, match in enumerate(matches))
    found = Catalogue(families, {}).family_of("camera", "camera_onvif", make, model)
    fitting = [known for known in families if known.match.fits("camera", "camera_onvif", make, model)]
    if found is None:
        assert not fitting
        return
    assert found in fitting
    assert found.match.detail == max(known.match.detail for known in fitting)
    again = Catalogue(families[::-1], {}).family_of("camera", "camera_onvif", make, model)
    assert again == found, "the order of the files decides nothing"


def test_a_model_says_more_than_a_make_and_a_make_more_than_a_role() -> None:
    says = [
        Match("d"),
        Match("d", ("camera",)),
        Match("d", make="x"),
        Match("d", ("camera",), make="x"),
        Match("d", model="x"),
        Match("d", ("camera",), "x", "x"),
    ]
    assert [match.detail for match in says] == sorted({match.detail for match in says})


ASCII = st.text(st.characters(max_codepoint=127), max_size=8)
MAKES = st.sampled_from(["axis", "AXIS", "Axis", "axis ", "xaxis", ""]) | ASCII
MODELS = st.sampled_from(["p12", "P3", "p", "p1x", "p1\n"]) | ASCII


@given(MAKES, MODELS)
def test_a_pattern_speaks_of_the_whole_text_whatever_its_case(make: str, model: str) -> None:
    match = Match("d", make="axis", model="p\\d+")
    fits = make.casefold() == "axis" and model[:1].casefold() == "p" and model[1:].isdigit()
    assert match.fits("camera", "d", make, model) == fits


GENERIC = """
family: generic
match: {driver: camera_onvif, roles: [camera]}
firmware: {minimum: "2.0", minimum_source: the maker says so}
settings:
  ntp_server: {wanted: a}
  width: {wanted: 1920}
  height: {wanted: 1080}
thresholds:
  picture_shows: {limits: {dark_percent: 10, flat_percent: 4}, max_age_s: 50}
  camera_clock: {limits: {warn_s: 10}}
actions:
  reboot: {takes_s: 100}
  set_ntp: {allowed: false}
notes: {vi: chung, en: generic}
"""
OWN = """
family: own
extends: generic
match: {driver: camera_onvif, make: Kamera}
settings:
  width: {wanted: 1280}
  height: {wanted: 720}
thresholds:
  picture_shows: {limits: {dark_percent: 8}}
actions:
  reboot: {takes_s: 200}
"""
OVERRIDE = """
devices:
  camera-1:
    settings:
      height: {wanted: 480, differs: fail}
    thresholds:
      picture_shows: {limits: {frozen_s: 30}, max_age_s: 20}
      light_enough: {limits: {dim_percent: 1}}
    actions:
      set_ntp: {allowed: true}
"""


def test_generic_family_and_override_are_laid_over_each_other() -> None:
    found = profile(catalogue(GENERIC, OWN, **{"38_1": OVERRIDE}))
    assert found.family == "own"
    assert {key: setting.wanted for key, setting in found.settings.items()} == {
        "ntp_server": "a", "width": 1280, "height": 480,
    }  # fmt: skip
    assert found.settings["height"].differs == "fail"
    picture = found.thresholds["picture_shows"]
    assert picture.limits == {"dark_percent": 8, "flat_percent": 4, "frozen_s": 30}
    assert picture.max_age_s == 20
    assert found.thresholds["camera_clock"].limits == {"warn_s": 10}
    assert found.thresholds["light_enough"].limits == {"dim_percent": 1}
    assert found.rule("reboot").takes_s == 200
    assert found.rule("set_ntp").allowed
    assert found.firmware.minimum == "2.0" and found.notes is not None and found.notes.en == "generic"


def test_how_long_a_check_holds_before_it_counts_is_laid_over_too() -> None:
    held = OWN.replace("thresholds:\n", "thresholds:\n  camera_clock: {open_s: 0, clear_s: 300}\n", 1)
    assert held != OWN
    threshold = profile(catalogue(GENERIC, held)).thresholds["camera_clock"]
    assert (threshold.open_s, threshold.clear_s) == (0, 300), "nought is a time as well"
    assert threshold.limits == {"warn_s": 10}, "and what the generic family says of it stays"


def test_an_override_is_for_its_own_device_of_its_own_site() -> None:
    found = catalogue(GENERIC, OWN, **{"38_1": OVERRIDE})
    elsewhere = profile(found, site="38-2")
    assert elsewhere.settings["height"].wanted == 720 and not elsewhere.rule("set_ntp").allowed
    other = found.profile_of("38-1", DeviceAbout("camera-2", "camera", "camera_onvif", make="Kamera"))
    assert other is not None and other.settings["height"].wanted == 720


def test_a_family_without_a_word_on_firmware_or_notes_has_the_generic_ones_and_with_one_its_own() -> None:
    own = OWN + 'firmware: {minimum: "3.0", minimum_source: the maker says so}\nnotes: {vi: riêng, en: own}\n'
    found = profile(catalogue(GENERIC, own))
    assert found.firmware.minimum == "3.0" and found.notes is not None and found.notes.en == "own"


def test_a_rule_for_outlet_n_is_for_every_outlet_that_has_none_of_its_own() -> None:
    rules = {"outlet.n.load.cycle": ActionRule(takes_s=7), "outlet.2.load.cycle": ActionRule(takes_s=9)}
    found = msgspec.structs.replace(profile(catalogue(GENERIC)), actions=rules)
    assert [found.rule(f"outlet.{n}.load.cycle").takes_s for n in (1, 2, 11)] == [7, 9, 7]
    assert found.rule("outlet.1.load.off") == ActionRule()


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ((OWN,), "extends 'generic'"),
        ((GENERIC, OWN, OWN.replace("own", "third").replace("generic", "own")), "extends 'own'"),
        ((OWN.replace("extends: generic", "extends: own"),), "extends 'own'"),
        ((GENERIC.replace("roles: [camera]", "model: 'K-('"),), "no regular expression"),
        ((GENERIC.replace("roles: [camera]", "make: '*'"),), "no regular expression"),
        ((GENERIC.replace("roles: [camera]", "model: 'a{4294967296}'"),), "no regular expression"),
        ((GENERIC.replace('minimum: "2.0"', "accepted: ['[']"),), "no regular expression"),
        ((GENERIC.replace('minimum: "2.0"', "refused: [{version: ')', source: abc, reason: {vi: a, en: a}}]"),),
         "no regular expression"),
        ((GENERIC.replace('minimum: "2.0"', "reads: 'V.*'"),), "no group named v"),
    ],
)  # fmt: skip
def test_a_catalogue_that_contradicts_itself_is_no_catalogue(texts: tuple[str, ...], says: str) -> None:
    with pytest.raises(WrongFile, match=says):
        catalogue(*texts)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "family: a", "family: a\nmatch: {driver: pc}\nfamilie: b", "family: A\nmatch: {driver: pc}",
        "family: a\nmatch: {driver: pc}\nfirmware: {minimum: 5.5}", "family: a\nmatch: {driver: pc", "a: 2026-02-31",
        "[" * 3_000, "family: a\nmatch: {driver: pc}\nthresholds: {pc_load: {limits: {cpu_percent: .nan}}}",
    ],
)  # fmt: skip
def test_a_text_that_is_no_family_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(WrongFile, match=r"^own\.yaml: "):
        parsed("own.yaml", text, Family)


def test_a_provinces_file_of_the_same_name_stands_for_the_one_that_comes_with_us(tmp_path: Path) -> None:
    own = tmp_path / "families" / "ups_generic.yaml"
    own.parent.mkdir()
    own.write_text("family: ups_generic\nmatch: {driver: ups_nut, roles: [ups]}\ndefaults: {ups: other, port: 3494}\n")
    own_one, shipped = (found.whole_family_of("ups", "ups_nut", "", "") for found in (catalogue_of(tmp_path), SHIPPED))
    assert own_one is not None and own_one.defaults == {"ups": "other", "port": 3494}
    assert shipped is not None and shipped.defaults == {"ups": "room"}


def test_a_file_that_is_no_utf_8_is_a_wrong_file(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "38-1.yaml").write_bytes("devices: {}  # Phường".encode("utf-16"))
    with pytest.raises(WrongFile, match=r"38-1\.yaml"):
        catalogue_of(tmp_path)


def test_the_generic_families_tell_which_drivers_a_role_can_have() -> None:
    assert set(SHIPPED.drivers_of("camera")) == {"camera_onvif", "camera_usb"}
    assert set(SHIPPED.drivers_of("ups")) == {"ups_nut", "snmp"}
    assert "probe" in SHIPPED.drivers_of("decoder") and SHIPPED.drivers_of("people") == ()
