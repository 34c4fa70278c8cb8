"""The part of ONVIF's service descriptions that we ask for: whole, they cost an agent 20 MB.

The descriptions (WSDL 1.1 with XML Schema 1.0) are read as onvif-zeep installs them; what no operation of ours reaches
is left out before zeep sees it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lxml import etree
from zeep.transports import Transport

OPERATIONS = {
    "devicemgmt": (
        "GetSystemDateAndTime", "GetDeviceInformation", "GetCapabilities", "SystemReboot", "GetNTP", "SetNTP",
        "StartFirmwareUpgrade",
    ),
    "media": ("GetProfiles", "GetStreamUri", "GetSnapshotUri"),
    "ptz": ("GetPresets", "GotoPreset"),
}  # fmt: skip
"""What the driver calls, by the service's name in onvif-zeep."""

_WSDL, _XS = "{http://schemas.xmlsoap.org/wsdl/}", "{http://www.w3.org/2001/XMLSchema}"
_REFERENCES = frozenset(("type", "ref", "base", "element", "message", "itemType", "memberTypes", "substitutionGroup"))
_PROSE = (f"{_XS}annotation", f"{_WSDL}documentation")
_IMPORTS = (f"{_XS}import", f"{_XS}include")
_PARENTS = (f"{_XS}schema", f"{_WSDL}portType", f"{_WSDL}binding", f"{_WSDL}definitions")
_STRUCTURE = (f"{_WSDL}types", f"{_WSDL}portType", f"{_WSDL}binding", f"{_WSDL}service")


class Surface(Transport):
    """Hands zeep the descriptions and what they import, each without what these operations never reach.

    Every file is read twice as a stream, first for who refers to whom: a tree of it would cost what we want to spare.
    """

    def __init__(self, descriptions: Mapping[Path, Iterable[str]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        imports: dict[Path, set[Path]] = {}
        references: dict[str, set[str]] = defaultdict(set)
        for path in descriptions:
            _learn(path.resolve(), imports, references)
        kept = _reached(references, [name for names in descriptions.values() for name in names])
        self._files = {path: _without_others(path, kept) for path in imports}

    def load(self, url: str) -> bytes:
        """One file by its path. Raises KeyError for one that no description imports."""
        return self._files[Path(url).resolve()]


def _components(path: Path) -> Iterator[Any]:
    """Root, imports and named components of a file, each at its end; prose is dropped on the way."""
    for _, element in etree.iterparse(str(path), remove_comments=True, resolve_entities=False, no_network=True):
        parent = element.getparent()
        if element.tag in _PROSE:
            element.clear()
        elif parent is None or element.tag in _IMPORTS or _is_component(element, parent):
            yield element


def _is_component(element: Any, parent: Any) -> bool:
    return parent.tag in _PARENTS and element.tag not in _STRUCTURE and bool(element.get("name"))


def _learn(path: Path, imports: dict[Path, set[Path]], references: dict[str, set[str]]) -> None:
    """What a file imports, and to which local names each of its components refers."""
    if path in imports:
        return
    imports[path] = set()
    for component in _components(path):
        if component.tag in _IMPORTS:
            imports[path].add((path.parent / component.get("schemaLocation")).resolve())
        elif component.getparent() is not None:
            for node in component.iter():
                for attribute in _REFERENCES & set(node.keys()):
                    names = node.get(attribute).split()
                    references[component.get("name")].update(name.rpartition(":")[2] for name in names)
            component.clear()
    for other in imports[path]:
        _learn(other, imports, references)


def _reached(references: Mapping[str, set[str]], names: Iterable[str]) -> set[str]:
    """Local names that these refer to, directly or through others."""
    reached, waiting = set(names), list(names)
    while waiting:
        more = references.get(waiting.pop(), set()) - reached
        reached |= more
        waiting += more
    return reached


def _without_others(path: Path, kept: set[str]) -> bytes:
    """The file with these components only."""
    dropped, root = [], None
    for component in _components(path):
        if component.getparent() is None:
            root = component
        elif component.tag not in _IMPORTS and component.get("name") not in kept:
            component.clear()
            dropped.append(component)
    for component in dropped:
        component.getparent().remove(component)
    found: bytes = etree.tostring(root)
    return found
