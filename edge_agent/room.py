"""Observations to report, and what changed between two of them. Pure: the time is an argument."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from device_drivers.driver import Observation
from edge_agent.config import DeviceConfig
from wire.codec import revision_of
from wire.description import ReadingSpec
from wire.fields import Params, Value
from wire.messages import About, DeviceAbout, DeviceReport, DeviceState, FoundDevice, Reading, Report

Specs = Mapping[str, tuple[ReadingSpec, ...]]


class View(Struct, frozen=True):
    """What is known of one device: its state, since when, and the last observation that succeeded."""

    device: DeviceConfig
    state: DeviceState
    found_s: float
    detail: str = ""
    observation: Observation | None = None


class Happening(Struct, frozen=True):
    """An event in the making."""

    event: str
    device: str
    params: Params


def about_of(views: Iterable[View], specs: Specs, found: tuple[FoundDevice, ...] = ()) -> About:
    """What the room consists of, with a revision that changes when it does."""
    devices = []
    for view in views:
        seen = view.observation
        known = DeviceAbout(id=view.device.id, role=view.device.role, driver=view.device.driver)
        if seen is not None:
            who = seen.identity
            known = DeviceAbout(
                id=known.id, role=known.role, driver=known.driver, actions=seen.actions,
                make=who.make[:120], model=who.model[:120], serial=who.serial[:120], firmware=who.firmware[:120],
            )  # fmt: skip
        devices.append(known)
    readings = {device.driver: specs[device.driver] for device in devices}
    return About(
        revision=revision_of((devices, readings, found)), devices=tuple(devices), readings=readings, found=found
    )


def without_choices(about: About) -> About:
    """The same room without what may be chosen for its actions, for one whose equipment names more than fits."""
    devices = tuple(
        replace(device, actions=tuple(
            replace(spec, params=tuple(replace(param, values=()) for param in spec.params)) for spec in device.actions
        ))
        for device in about.devices
    )  # fmt: skip
    return replace(about, devices=devices)


def report_of(
    views: Iterable[View], *, now_s: float, at: datetime, boot_id: str, seq: int, about: str, config: str
) -> Report:
    """The whole room at `now_s`; every reading carries its age."""
    return Report(
        boot_id=boot_id, seq=seq, at=at, about_revision=about, config_revision=config,
        devices=tuple(_device_report(view, now_s) for view in views),
    )  # fmt: skip


def worth_a_report(before: Report, after: Report, specs: Mapping[str, Mapping[str, ReadingSpec]]) -> bool:
    """Whether a check could see the difference at once. `specs`: of each device by its id."""
    revisions = [(report.about_revision, report.config_revision) for report in (before, after)]
    if revisions[0] != revisions[1] or len(before.devices) != len(after.devices):
        return True
    for old, new in zip(before.devices, after.devices, strict=True):
        if old.id != new.id or old.state != new.state:
            return True
        was = {reading.key: reading.value for reading in old.readings}
        known = specs.get(new.id, {})
        for reading in new.readings:
            if _moved(known.get(reading.key), was.get(reading.key), reading.value):
                return True
    return False


def happenings(before: View | None, after: View, specs: Mapping[str, ReadingSpec]) -> list[Happening]:
    """The events between two views of one device. A first view is no event unless the device is missing."""
    device = after.device.id
    if before is None or before.state == "waiting":
        return [] if after.state == "ok" else [_lost(after)]
    found = []
    if before.state == "ok" != after.state:
        found.append(_lost(after))
    elif before.state != "ok" == after.state:
        found.append(Happening("device_back", device, {"after_s": round(after.found_s - before.found_s, 1)}))
    if before.observation and after.observation and after.state == "ok":
        for key, value in after.observation.readings.items():
            was = before.observation.readings.get(key)
            spec = specs.get(key)
            if spec is not None and spec.notable and was is not None and value is not None and was != value:
                found.append(Happening("reading_changed", device, {"key": key, "before": was, "after": value}))
    return found


def _lost(view: View) -> Happening:
    return Happening("device_lost", view.device.id, {"state": view.state, "detail": view.detail[:200]})


def _device_report(view: View, now_s: float) -> DeviceReport:
    seen = view.observation
    readings: tuple[Reading, ...] = ()
    if seen is not None:
        readings = tuple(
            Reading(key, value, round(max(0.0, now_s - seen.older.get(key, seen.seen_s)), 1))
            for key, value in seen.readings.items()
        )
    return DeviceReport(
        id=view.device.id,
        state=view.state,
        age_s=round(max(0.0, now_s - view.found_s), 1),
        detail=view.detail[:120],
        readings=readings,
    )


def _moved(spec: ReadingSpec | None, was: Value, now: Value) -> bool:
    if was == now:
        return False
    if was is None or now is None or spec is None or spec.type != "number":
        return True
    return spec.step is not None and abs(float(now) - float(was)) >= spec.step
