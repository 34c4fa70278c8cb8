"""Bundles of a program that only says its version, and a machine's /opt/diemcau that they are installed in."""

import ensurepip
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from release import build

UNITS = ("agent.service", "unwanted.service", "masked.service", "diemcau-release-settle.service")


def unit_of(version: str) -> str:
    """What a release's units say."""
    return f"# {version}\n"


class Maker:
    """Makes bundles of a program that only says its version."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key = folder, folder / "province.key"
        build.new_key(self.key)
        self.public = folder / "province.key.pub"
        self.tool = folder / "diemcau-release.pyz"
        build.make_tool(self.tool)

    def bundle(self, version: str, key: Path | None = None, machine: dict[str, str] | None = None) -> Path:
        """A signed one, for this machine where none is given."""
        own = self._wheel(version)
        (pip,) = (Path(ensurepip.__path__[0]) / "_bundled").glob("pip-*.whl")
        files = {f"wheels/{file.name}": file.read_bytes() for file in (own, pip)}
        files |= {f"{part}.txt": build.locked(own).encode() for part in ("room", "centre")}
        target = self.folder / f"{version}.tar"
        files["diemcau-release.pyz"] = self.tool.read_bytes()
        build.write_bundle(target, files, version, key or self.key, machine)
        return target

    def _wheel(self, version: str) -> Path:
        wheel, info = self.folder / f"diemcau-{version}-py3-none-any.whl", f"diemcau-{version}.dist-info"
        with zipfile.ZipFile(wheel, "w") as book:
            book.writestr("diemcau_said.py", f"VERSION = {version!r}\n")
            for unit in UNITS:
                book.writestr(f"edge_agent/systemd/{unit}", unit_of(version))
            book.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: diemcau\nVersion: {version}\n")
            book.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            book.writestr(f"{info}/RECORD", "")
        return wheel


class Box:
    """A machine's /opt/diemcau, in the test's folder."""

    def __init__(self, maker: Maker, folder: Path) -> None:
        self.maker, self.home, self.proof = maker, folder / "opt", folder / "reported"
        self.units = folder / "units"
        self.units.mkdir(exist_ok=True)
        self.environment = {**os.environ, "DIEMCAU_HOME": str(self.home), "DIEMCAU_UNITS": str(self.units)}

    def start(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, str(self.maker.tool), *command], env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        child = self.start(*command)
        said, wrong = child.communicate(timeout=120)
        return subprocess.CompletedProcess(command, child.returncode, said, wrong)

    def install(self, bundle: Path) -> "subprocess.CompletedProcess[str]":
        return self.run("install", str(bundle), "--part", "room", "--key", str(self.maker.public))

    def switch(self, version: str, within_s: float = 2.0) -> "subprocess.CompletedProcess[str]":
        return self.run("switch", version, "--proof", str(self.proof), "--within", str(within_s))

    def version_in_use(self) -> str:
        """What a program of the release in use says; an error where it is not whole."""
        ran = subprocess.run(
            [str(self.home / "current/bin/python"), "-c", "import diemcau_said; print(diemcau_said.VERSION)"],
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        return ran.stdout.strip()
