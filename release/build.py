"""`./dev package`: the wheel, and a signed bundle of all wheels that a room or the centre needs, to install offline.

The versions and hashes are those of requirements.lock; what a part needs is found by walking what is installed here.
"""

import argparse
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipapp
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from release.manifest import FORM, LIST, SIGNATURE, TOOL, digest, here, sign

ROOT = Path(__file__).parents[1]
_LIBRARY = "fleet_server/pages/vendor/leaflet.js"
EXTRAS = {
    "room": ("agent", "enrol", "discover", "camera", "ups", "usb", "display", "mixer", "relay", "snmp"),
    "centre": ("server", "postgresql", "apprise"),
}


def main() -> int:
    """Write dist/diemcau-VERSION-….tar and the wheel beside it; print their names."""
    parser = argparse.ArgumentParser(prog="./dev package", description="Make a release.")
    parser.add_argument("--key", type=Path, required=True, help="private key (PEM, Ed25519) of whoever makes releases")
    parser.add_argument("--new-key", action="store_true", help="make the key first, and its public half beside it")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    given = parser.parse_args()
    if given.new_key:
        new_key(given.key)
    if not given.key.is_file():
        parser.error(f"{given.key} is not there; --new-key makes one")
    for made in package(ROOT, given.out, given.key):
        print(made)
    return 0


def new_key(file: Path) -> None:
    """A key pair: FILE, which stays with whoever makes releases, and FILE.pub for every machine."""
    if file.exists():
        raise SystemExit(f"{file} is there already")
    made = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], check=True, capture_output=True).stdout
    file.touch(mode=0o600)
    file.write_bytes(made)
    public = subprocess.run(["openssl", "pkey", "-in", str(file), "-pubout"], check=True, capture_output=True).stdout
    file.with_name(f"{file.name}.pub").write_bytes(public)


def package(source: Path, out: Path, key: Path) -> list[Path]:
    """The files that were made: wheel, tool, bundle."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        wheels = Path(name) / "wheels"
        wheels.mkdir()
        own = _own_wheel(source, wheels)
        version = str(parse_wheel_filename(own.name)[1])
        needed = {part: sorted(closure(extras)) for part, extras in EXTRAS.items()}
        _fetch(sorted({"pip", *(each for names in needed.values() for each in names)}), wheels)
        by_name: dict[str, Path] = {
            canonicalize_name(parse_wheel_filename(file.name)[0]): file for file in wheels.iterdir()
        }
        lists = {
            f"{part}.txt": "".join(locked(by_name[each]) for each in ["diemcau", *names]).encode()
            for part, names in needed.items()
        }
        tool = make_tool(Path(name) / TOOL)
        files = {f"wheels/{file.name}": file.read_bytes() for file in sorted(wheels.iterdir())}
        files |= lists | {TOOL: tool}
        bundle = out / f"diemcau-{version}-py{here()['python']}-{here()['machine']}.tar"
        write_bundle(bundle, files, version, key)
        for file, raw in ((out / own.name, own.read_bytes()), (out / TOOL, tool)):
            file.write_bytes(raw)
    return [out / own.name, out / TOOL, bundle]


def closure(extras: tuple[str, ...]) -> set[str]:
    """Every distribution that diemcau needs with these extras, itself aside, by what is installed here."""
    found: set[str] = set()
    waiting: list[tuple[str, frozenset[str]]] = [("diemcau", frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, asked = waiting.pop()
        if (name, asked) in seen:
            continue
        seen.add((name, asked))
        for needed in _requirements(name, asked):
            found.add(canonicalize_name(needed.name))
            waiting.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    return found


def _requirements(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    for line in distribution(name).requires or ():
        needed = Requirement(line)
        marker = needed.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield needed


def _own_wheel(source: Path, wheels: Path) -> Path:
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(source))
    (own,) = wheels.glob("diemcau-*.whl")
    with zipfile.ZipFile(own) as book:
        if _LIBRARY not in book.namelist():
            raise SystemExit(f"{own.name}: the browser libraries are not in it; ./dev package fetches them")
    return own


def _fetch(names: list[str], wheels: Path) -> None:
    """As the lock has them; what comes as source is built here. pip itself is that of this environment's version."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks: dict[str, str] = {
        canonicalize_name(found[1]): found[0]
        for found in re.finditer(r"^([A-Za-z0-9._-]+)==[^\n]*\n(?:    [^\n]*\n)*", lock, re.M)
    }
    missing = [name for name in names if name not in blocks and name != "pip"]
    if missing:
        raise SystemExit(f"requirements.lock does not have {', '.join(missing)}; run ./dev lock")
    asked = wheels.parent / "asked.txt"
    asked.write_text("".join(blocks[name] for name in names if name != "pip"), encoding="utf-8")
    _pip("wheel", "--no-deps", "--require-hashes", "--wheel-dir", str(wheels), "-r", str(asked))
    _pip("wheel", "--no-deps", "--wheel-dir", str(wheels), f"pip=={distribution('pip').version}")


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise SystemExit(f"pip {arguments[0]}: {ran.stderr[-1_500:]}")


def locked(wheel: Path) -> str:
    """The line of a wheel in a list that pip installs by."""
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def make_tool(target: Path) -> bytes:
    """The program that installs, as one file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "release"
        folder.mkdir()
        for part in ("__init__", "manifest", "places", "units", "installing", "install"):
            (folder / f"{part}.py").write_bytes((ROOT / "release" / f"{part}.py").read_bytes())
        # The entry that zipapp would write drops the exit status.
        entry = "import sys\nfrom release.install import main\nsys.exit(main())\n"
        (Path(name) / "__main__.py").write_text(entry, encoding="utf-8")
        zipapp.create_archive(name, target, "/usr/bin/env python3")
    return target.read_bytes()


def write_bundle(
    bundle: Path, files: dict[str, bytes], version: str, key: Path, machine: dict[str, str] | None = None
) -> None:
    """The signed list first, then the files. `machine`: for which it is; this one where none is given."""
    listed = {name: digest(io.BytesIO(raw)) for name, raw in files.items()}
    manifest = json.dumps({"form": FORM, "version": version, **(machine or here()), "files": listed}, indent=1).encode()
    new = bundle.with_name(f".{bundle.name}.new")
    with tarfile.open(new, "w:") as tar:
        for name, raw in {LIST: manifest, SIGNATURE: sign(manifest, key), **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(raw)
            tar.addfile(entry, io.BytesIO(raw))
    new.replace(bundle)


if __name__ == "__main__":
    sys.exit(main())
