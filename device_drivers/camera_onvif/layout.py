"""What changes only when the camera does, asked for now and then."""

import re
from typing import Any

import onvif
import zeep.exceptions
from msgspec import Struct

from device_drivers.camera_onvif.border import cause_of, is_refusal
from device_drivers.camera_onvif.soap import Services
from device_drivers.driver import Identity
from device_drivers.errors import BadAnswer

_OPENS = re.compile(r"pass|pwd|token|user", re.IGNORECASE)
_LONGEST_TOKEN = 64
"""Of a preset, by the schema (onvif.xsd, tt:ReferenceToken); a longer one is not offered."""


class Layout(Struct, frozen=True):
    """What changes only when the camera does: who it is, where its services are, what it offers."""

    identity: Identity
    profiles: int
    width: float | None
    height: float | None
    stream: str | None
    snapshot: str | None
    ptz: str | None
    profile: str
    presets: tuple[str, ...]
    ntp_server: str | None
    """Empty where none is set; None where the camera has no such setting."""
    takes_firmware: bool
    """Whether it says that it takes firmware over HTTP."""


def look_round(services: Services, path: str) -> Layout:
    """Ask for all of it. Raises BadAnswer for a camera without a media profile, and what the libraries raise."""
    device = services.service("devicemgmt", path)
    who = device.GetDeviceInformation()
    has = device.GetCapabilities({"Category": "All"})
    media = services.service("media", has.Media.XAddr if has.Media else path)
    profiles = media.GetProfiles() or []
    if not profiles:
        raise BadAnswer("the camera has no media profile")
    first = profiles[0]
    video = first.VideoEncoderConfiguration
    stream = _optional(
        lambda: (
            media.GetStreamUri(
                {
                    "StreamSetup": {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}},
                    "ProfileToken": first.token,
                }
            ).Uri
        )
    )
    ptz = has.PTZ.XAddr if has.PTZ else None
    presets: list[str] = []
    if ptz and first.PTZConfiguration is not None:
        listed = _optional(lambda: services.service("ptz", ptz).GetPresets({"ProfileToken": first.token}))
        presets = [token for preset in listed or () if 0 < len(token := str(preset.token or "")) <= _LONGEST_TOKEN]
    return Layout(
        identity=Identity(
            make=_short(who.Manufacturer), model=_short(who.Model),
            serial=_short(who.SerialNumber), firmware=_short(who.FirmwareVersion),
        ),
        profiles=len(profiles),
        width=float(video.Resolution.Width) if video and video.Resolution else None,
        height=float(video.Resolution.Height) if video and video.Resolution else None,
        stream=without_password(stream),
        snapshot=_optional(lambda: media.GetSnapshotUri({"ProfileToken": first.token}).Uri),
        ptz=ptz,
        profile=first.token,
        presets=tuple(presets[:64]),
        ntp_server=ntp_server_in(_optional(device.GetNTP)),
        takes_firmware=_takes_firmware(has.Device),
    )  # fmt: skip


def ntp_server_in(said: Any) -> str | None:
    """The first server in an answer to GetNTP (Core, 5.12.3), by hand or by DHCP; None for no answer."""
    if said is None:
        return None
    entries = (said.NTPFromDHCP if said.FromDHCP else said.NTPManual) or ()
    return next((_short(entry.DNSname or entry.IPv4Address) for entry in entries), "")


def _takes_firmware(device: Any) -> bool:
    """By its capabilities (tt:SystemCapabilitiesExtension, HttpFirmwareUpgrade).

    zeep hands the elements of that extension over unread: the schema lets any element stand before them.
    """
    system = device.System if device is not None else None
    more = system.Extension if system is not None else None
    if more is None:
        return False
    said = [element.text for element in more._value_1 or () if element.tag.endswith("}HttpFirmwareUpgrade")]
    return bool(more.HttpFirmwareUpgrade) or any((text or "").strip() in ("true", "1") for text in said)


def _optional(ask: Any) -> Any:
    """What a camera may lack: None when it says that it does not have it."""
    try:
        return ask()
    except onvif.ONVIFError as error:
        cause = cause_of(error)
        if is_refusal(cause) or isinstance(cause, zeep.exceptions.Fault | zeep.exceptions.XMLParseError | ValueError):
            return None
        raise


def _short(text: object) -> str:
    return str(text or "").strip()[:120]


def without_password(address: str | None) -> str | None:
    """A stream's address without what opens it: some makes put it before the host, some into the path or the query.

    `rtsp://admin:x@h/1?token=y` -> `rtsp://h/1`; `rtsp://h/user=admin_password=x_channel=1` -> `rtsp://h`.
    """
    if address is None:
        return None
    scheme, mark, rest = address.partition("://")
    host, slash, path = rest.rpartition("@")[2].partition("?")[0].partition("/")
    if _OPENS.search(path):
        slash = path = ""
    return f"{scheme}{mark}{host}{slash}{path}"[:300]
