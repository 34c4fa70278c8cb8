"""What a bundle says of itself. Standard library alone: it is read where nothing of ours is installed yet."""

import hashlib
import json
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any

FORM = "diemcau-release-1"
LIST, SIGNATURE = "manifest.json", "manifest.json.sig"
PARTS = ("room", "centre")
"""What is installed in a room, and at the centre: each is a list of wheels with their hashes."""
_VERSION = re.compile(r"\d{1,4}(\.\d{1,4}){1,3}([a-z0-9.+-]{0,24})")
TOOL = "diemcau-release.pyz"
"""The program that installs, in one file."""
_NAME = re.compile(r"(wheels/[A-Za-z0-9_.+-]{1,200}\.whl|(room|centre)\.txt|diemcau-release\.pyz)")
_MOST_LIST, _BLOCK = 1_000_000, 1 << 20


class ReleaseError(Exception):
    """A bundle that is not installed; the message says which, and why."""


def here() -> dict[str, str]:
    """For which machines wheels are that are made on this one."""
    return {"python": f"{sys.version_info[0]}.{sys.version_info[1]}", "machine": platform.machine()}


def order_of(version: str) -> tuple[tuple[int, ...], bool, tuple[int, ...]]:
    """Versions in the order of their making: 0.2.0rc1 comes before 0.2.0, and 0.2.0.post1 after it."""
    ((number, rest),) = re.findall(r"^([0-9.]*[0-9])(.*)$", version)
    is_whole = re.match(r"[.-]?(a|b|c|rc|alpha|beta|pre|dev)", rest) is None
    return tuple(map(int, number.split("."))), is_whole, tuple(map(int, re.findall(r"\d+", rest)))


def is_version(text: str) -> bool:
    """Whether it can be the name of a folder of ours."""
    return _VERSION.fullmatch(text) is not None


def digest(source: IO[bytes]) -> str:
    """SHA-256, in hexadecimal."""
    found = hashlib.sha256()
    while block := source.read(_BLOCK):
        found.update(block)
    return found.hexdigest()


def sign(raw: bytes, key: Path) -> bytes:
    """Ed25519 over the bytes (openssl-pkeyutl(1), -rawin). Raises ReleaseError."""
    with tempfile.TemporaryDirectory() as folder:
        said, out = Path(folder) / "said", Path(folder) / "sig"
        said.write_bytes(raw)
        _openssl("pkeyutl", "-sign", "-rawin", "-inkey", str(key), "-in", str(said), "-out", str(out))
        return out.read_bytes()


def verify(raw: bytes, signature: bytes, public_key: Path) -> None:
    """Raises ReleaseError where the owner of the key has not signed these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        said, sig = Path(folder) / "said", Path(folder) / "sig"
        said.write_bytes(raw)
        sig.write_bytes(signature)
        _openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(public_key), "-in", str(said),
                 "-sigfile", str(sig))  # fmt: skip


def read(bundle: Path, public_key: Path) -> dict[str, Any]:
    """The manifest of a bundle for this machine, once its signature was found good. Raises ReleaseError."""
    try:
        with tarfile.open(bundle, "r:") as tar:
            raw, signature = _member(tar, LIST), _member(tar, SIGNATURE)
    except (OSError, tarfile.TarError, KeyError) as error:
        raise ReleaseError(f"{bundle}: no bundle of DiemCau ({type(error).__name__}: {error})") from error
    verify(raw, signature, public_key)
    found: dict[str, Any] = json.loads(raw)
    if found.get("form") != FORM or not is_version(str(found.get("version", ""))):
        raise ReleaseError(f"{bundle}: of a form that this program does not know: {found.get('form')}")
    made_for = {name: found.get(name) for name in here()}
    if made_for != here():
        raise ReleaseError(f"{bundle}: is for {made_for}, this machine is {here()}")
    if not all(_NAME.fullmatch(name) for name in found["files"]):
        raise ReleaseError(f"{bundle}: holds files that are none of a release")
    return found


def unpack(bundle: Path, manifest: dict[str, Any], folder: Path) -> None:
    """The files that the manifest names, each as it was when it was signed, and no others. Raises ReleaseError."""
    (folder / "wheels").mkdir(parents=True)
    with tarfile.open(bundle, "r:") as tar:
        for name, wanted in manifest["files"].items():
            try:
                source = tar.extractfile(name)
            except KeyError:
                source = None
            if source is None:
                raise ReleaseError(f"{bundle}: {name} is missing")
            with (folder / name).open("wb") as out:
                while block := source.read(_BLOCK):
                    out.write(block)
            with (folder / name).open("rb") as written:
                if digest(written) != wanted:
                    raise ReleaseError(f"{bundle}: {name} is not as it was signed")


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    source = tar.extractfile(name)
    if source is None:
        raise KeyError(name)
    return source.read(_MOST_LIST)


def _openssl(*arguments: str) -> None:
    try:
        ran = subprocess.run(["openssl", *arguments], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise ReleaseError(f"openssl: {error}") from error
    if ran.returncode != 0:
        said = (ran.stderr or ran.stdout).decode(errors="replace").strip().splitlines()[:1]
        raise ReleaseError(f"the signature is not that of the key ({' '.join(said)[:120]})")
