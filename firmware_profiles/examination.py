"""What is wrong with profiles: form, patterns, families that never match, wants that no driver can supply. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import jsonschema
import msgspec
from msgspec import Struct

from firmware_profiles.errors import NotYaml
from firmware_profiles.positions import Place, Positions, content_of
from firmware_profiles.schema import NO_PATTERN, ActionRule, Family, Setting, SiteOverride, Threshold
from wire.description import Description, ParamSpec, ReadingSpec
from wire.fields import Value


class ProfileFile(Struct, frozen=True):
    """One YAML file to look at."""

    name: str
    text: str
    kind: type[Family] | type[SiteOverride] = Family


class Asked(Struct, frozen=True):
    """A check as far as a profile can change it: what it reads, and the limits that blueprints give it."""

    reads: frozenset[str]
    limits: frozenset[str]


class Fault(Struct, frozen=True):
    """Something wrong: where, and a text key with its parameters."""

    file: str
    line: int
    key: str
    params: Mapping[str, str] = {}


class _Read(Struct, frozen=True):
    file: ProfileFile
    positions: Positions
    content: Any

    def fault(self, place: Place, key: str, **params: object) -> Fault:
        where = ".".join(str(step) for step in place)
        named = {name: str(value)[:200] for name, value in params.items()}
        return Fault(self.file.name, self.positions.line_of(place), key, {"where": where, **named})


def examine(files: Iterable[ProfileFile], drivers: Sequence[Description], asked: Mapping[str, Asked]) -> list[Fault]:
    """Every fault of these files, by file and line."""
    known = {description.driver: description for description in drivers}
    faults: list[Fault] = []
    families: list[tuple[_Read, Family]] = []
    for file in files:
        read = _read(file)
        if isinstance(read, Fault):
            faults.append(read)
            continue
        content = _formed(read, faults)
        if content is None:
            continue
        if isinstance(content, Family):
            faults += _pattern_faults(read, content)
            families.append((read, content))
            faults += _family_faults(read, content, known, asked)
        else:
            for device, own in content.devices.items():
                under = ("devices", device)
                faults += _threshold_faults(read, own.thresholds, under, None, asked)
                faults += _setting_faults(read, own.settings, under, None)
                faults += _unproved_faults(read, own.actions, under)
    faults += _faults_between(families)
    return sorted(faults, key=lambda fault: (fault.file, fault.line, fault.key))


@cache
def schema_of(kind: type[Struct]) -> dict[str, Any]:
    """The form as a JSON Schema (2020-12), which editors understand."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(kind)}


def _read(file: ProfileFile) -> _Read | Fault:
    try:
        return _Read(file, Positions(file.text), content_of(file.text))
    except NotYaml as error:
        return Fault(file.name, error.line, "not_yaml", {"reason": error.reason})


def _formed(read: _Read, faults: list[Fault]) -> Family | SiteOverride | None:
    """The file as its form; None, and faults, where it has not got it."""
    wrong = list(_form_faults(read))
    faults += wrong
    if wrong:
        return None
    try:
        return msgspec.convert(read.content, read.file.kind)
    except (msgspec.ValidationError, RecursionError) as error:
        # JSON knows neither keys that are no texts nor `.nan`, so that its schema lets them pass.
        named = re.search(r"\$([.\w]*)", str(error))
        place = tuple(named[1].strip(".").split(".")) if named is not None else ()
        faults.append(read.fault(place, "wrong_form", reason=error))
        return None


def _form_faults(read: _Read) -> Iterator[Fault]:
    validator = jsonschema.Draft202012Validator(schema_of(read.file.kind))
    for error in validator.iter_errors(read.content):
        # Of several forms that all do not fit, the one that fits best says most.
        deepest = jsonschema.exceptions.best_match([error]) or error
        place = tuple(deepest.absolute_path)
        if deepest.validator == "additionalProperties":
            known = deepest.schema.get("properties", {})
            place = (*place, *[key for key in deepest.instance if key not in known][:1])
        yield read.fault(place, "wrong_form", reason=deepest.message)


def _pattern_faults(read: _Read, family: Family) -> Iterator[Fault]:
    """Every regular expression compiles, and the one that reads a version names it."""
    match, firmware = family.match, family.firmware
    patterns: list[tuple[Place, str | None]] = [
        (("match", "make"), match.make), (("match", "model"), match.model), (("firmware", "reads"), firmware.reads),
        *((("firmware", "accepted", index), pattern) for index, pattern in enumerate(firmware.accepted)),
        *((("firmware", "refused", index, "version"), each.version) for index, each in enumerate(firmware.refused)),
    ]  # fmt: skip
    for place, pattern in patterns:
        if pattern is not None:
            yield from _wrong_pattern(read, pattern, place, place[-1] == "reads")


def _wrong_pattern(read: _Read, pattern: str, place: Place, wants_v: bool) -> Iterator[Fault]:
    try:
        compiled = re.compile(pattern)
    except NO_PATTERN as error:
        yield read.fault(place, "bad_pattern", reason=error)
        return
    if wants_v and "v" not in compiled.groupindex:
        yield read.fault(place, "no_version_group")


def _family_faults(
    read: _Read, family: Family, drivers: Mapping[str, Description], asked: Mapping[str, Asked]
) -> Iterator[Fault]:
    driver = drivers.get(family.match.driver)
    if driver is None:
        yield read.fault(("match", "driver"), "no_driver", driver=family.match.driver, known=", ".join(sorted(drivers)))
        return
    for role in family.match.roles:
        if role not in driver.roles:
            yield read.fault(("match", "roles"), "not_its_role", role=role, roles=", ".join(driver.roles))
    yield from _threshold_faults(read, family.thresholds, (), driver, asked)
    yield from _setting_faults(read, family.settings, (), driver)
    if driver.actions:
        offered = {action.action for action in driver.actions}
        for action in family.actions:
            if action not in offered:
                yield read.fault(("actions", action), "no_action", action=action, known=", ".join(sorted(offered)))
    for index, refused in enumerate(family.firmware.refused):
        if refused.below is None and refused.version is None:
            yield read.fault(("firmware", "refused", index), "refuses_nothing")
    if family.firmware.minimum is not None and family.firmware.minimum_source is None:
        yield read.fault(("firmware", "minimum"), "no_source")
    yield from _unproved_faults(read, family.actions, ())


def _unproved_faults(read: _Read, actions: Mapping[str, ActionRule], under: tuple[str, ...]) -> Iterator[Fault]:
    """Who says that something was proved says where and when."""
    for action, rule in actions.items():
        if rule.proved and rule.source is None:
            yield read.fault((*under, "actions", action), "no_source")


def _threshold_faults(
    read: _Read, thresholds: Mapping[str, Threshold], under: tuple[str, ...], driver: Description | None,
    asked: Mapping[str, Asked],
) -> Iterator[Fault]:  # fmt: skip
    told = {spec.key for spec in driver.readings} | {"state"} if driver is not None else None
    for name, threshold in thresholds.items():
        place = (*under, "thresholds", name)
        check = asked.get(name)
        if check is None:
            yield read.fault(place, "no_check", check=name, known=", ".join(sorted(asked)))
            continue
        if told is not None and (missing := check.reads - told):
            yield read.fault(place, "not_supplied", check=name, readings=", ".join(sorted(missing)))
        for limit in threshold.limits:
            if limit not in check.limits:
                known = ", ".join(sorted(check.limits)) or "-"
                yield read.fault((*place, "limits", limit), "no_limit", check=name, limit=limit, known=known)


def _setting_faults(
    read: _Read, settings: Mapping[str, Setting], under: tuple[str, ...], driver: Description | None
) -> Iterator[Fault]:
    for key, setting in settings.items():
        place = (*under, "settings", key)
        if setting.differs == "mend" and setting.set_by is None:
            yield read.fault((*place, "differs"), "cannot_mend")
        if driver is None:
            continue
        spec = next((spec for spec in driver.readings if spec.key == key), None)
        if spec is None:
            known = ", ".join(spec.key for spec in driver.readings)
            yield read.fault(place, "no_reading", reading=key, known=known)
        elif not _can_be(spec, setting.wanted):
            yield read.fault((*place, "wanted"), "cannot_be", reading=key, wanted=setting.wanted)
        if setting.set_by is None or not driver.actions:
            continue
        action = next((action for action in driver.actions if action.action == setting.set_by.action), None)
        if action is None:
            known = ", ".join(action.action for action in driver.actions)
            yield read.fault((*place, "set_by", "action"), "no_action", action=setting.set_by.action, known=known)
        elif setting.set_by.param is not None and not _has(action.params, setting.set_by.param):
            yield read.fault((*place, "set_by", "param"), "no_param", param=setting.set_by.param, action=action.action)


def _has(params: Sequence[ParamSpec], name: str) -> bool:
    return any(param.name == name for param in params)


def _can_be(spec: ReadingSpec, wanted: Value) -> bool:
    """Whether a reading could ever say this."""
    if spec.type == "bool":
        return isinstance(wanted, bool)
    if spec.type == "number":
        if isinstance(wanted, bool) or not isinstance(wanted, int | float):
            return False
        return (spec.low is None or wanted >= spec.low) and (spec.high is None or wanted <= spec.high)
    return isinstance(wanted, str) and (not spec.values or wanted in spec.values)


def _faults_between(families: Sequence[tuple[_Read, Family]]) -> Iterator[Fault]:
    """Names twice, parents that are not there, and families that another always wins over."""
    by_name: dict[str, Family] = {}
    by_match: dict[tuple[Any, ...], str] = {}
    for read, family in families:
        if family.family in by_name:
            yield read.fault(("family",), "name_twice", family=family.family)
        by_name[family.family] = family
        match = family.match
        key = (match.driver, tuple(sorted(match.roles)), match.make, match.model)
        if key in by_match:
            yield read.fault(("match",), "never_matches", family=family.family, other=by_match[key])
        by_match[key] = family.family
    for read, family in families:
        if family.extends is None:
            continue
        parent = by_name.get(family.extends)
        if parent is None:
            yield read.fault(("extends",), "no_parent", parent=family.extends)
        elif parent.extends is not None:
            yield read.fault(("extends",), "two_levels", parent=family.extends)
        elif parent.match.driver != family.match.driver:
            yield read.fault(("extends",), "other_driver", parent=family.extends)
