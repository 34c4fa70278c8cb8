"""Cameras that answer WS-Discovery (ONVIF Core, 7.3) or have told multicast DNS of themselves."""

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from device_drivers.area import Area, ask_everybody, services
from wire.fields import Plain
from wire.messages import FoundDevice

_GROUP, _PORT = "239.255.255.250", 3702
_PROBE = (
    '<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl">'
    "<e:Header><w:MessageID>uuid:{id}</w:MessageID><w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>"
    "<w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>"
    "<e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"
)
# Bounded, or one datagram of open brackets keeps us busy for minutes.
_ADDRESSES = re.compile(rb"<(?:[\w.-]{1,64}:)?XAddrs(?:\s[^<>]{0,1000})?>([^<]{1,2000})<")
_SCOPES = re.compile(rb"<(?:[\w.-]{1,64}:)?Scopes(?:\s[^<>]{0,1000})?>([^<]{1,8000})<")
_PATH = "/onvif/device_service"


def discover(area: Area) -> Iterator[FoundDevice]:
    """Every camera once for each of the two ways; whoever asks takes doubles out."""
    probe = _PROBE.format(id=uuid4()).encode()
    for answer, sender in ask_everybody(area, probe, _PORT, _GROUP):
        if (found := camera_in(answer, sender)) is not None:
            yield found
    for service in services(area, "_axis-video._tcp.local"):
        yield _found(service.host, service.port, _PATH, "AXIS", service.name)


def camera_in(answer: bytes, sender: str) -> FoundDevice | None:
    """The camera that a ProbeMatch speaks of; None for anything else. Pure.

    Its address is the one that the answer came from: what a camera writes of itself may lead elsewhere.
    """
    addresses, scopes = _ADDRESSES.search(answer), _SCOPES.search(answer)
    if addresses is None or scopes is None:
        return None
    said = dict(_scopes(scopes[1].decode("utf-8", "replace")))
    try:
        first = urlsplit(addresses[1].decode("utf-8", "replace").split()[0])
        port, path = first.port or 80, first.path or _PATH
    except (ValueError, IndexError):
        port, path = 80, _PATH
    return _found(sender, port, path[:200], said.get("manufacturer") or said.get("name", ""), said.get("hardware", ""))


def _scopes(text: str) -> Iterator[tuple[str, str]]:
    """The names and values of ONVIF's scopes (Core, 7.3.2.2)."""
    for scope in text.split():
        name, mark, value = scope.removeprefix("onvif://www.onvif.org/").partition("/")
        if mark and scope.startswith("onvif://www.onvif.org/"):
            yield name.lower(), unquote(value)[:120]


def _found(host: str, port: int, path: str, make: str, model: str) -> FoundDevice:
    settings: dict[str, Plain] = {"host": host}
    if port != 80:
        settings["port"] = port
    if path != _PATH and path.startswith("/"):
        settings["path"] = path
    return FoundDevice("camera_onvif", "camera", f"{host}:{port}", make[:120], model[:120], settings=settings)
