"""The house: who imports whom, what is found by being there, and that every sentence has its words."""

import ast
import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from device_drivers.registry import drivers
from fleet_server.pages.render import _ENVIRONMENT
from fleet_server.texts import texts

ROOT = Path(__file__).parents[2]
PACKAGES = ("wire", "device_drivers", "edge_agent", "fleet_server", "firmware_profiles")


def sources(*packages: str) -> list[Path]:
    return [file for package in packages for file in (ROOT / package).rglob("*.py") if "migrations" not in file.parts]


@pytest.mark.parametrize("name", sorted(drivers()))
def test_a_driver_imports_no_other_driver(name: str) -> None:
    others = {f"device_drivers.{other}" for other in drivers() if other != name}
    for file in (ROOT / "device_drivers" / name).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            assert not any(module.startswith(other) for other in others), file


def test_no_file_has_grown_a_second_purpose() -> None:
    long = {str(file): n for file in sources(*PACKAGES, "demo") if (n := len(file.read_text().splitlines())) > 310}
    assert not long


def test_only_one_file_reads_the_wall_clock() -> None:
    reads = re.compile(r"datetime\.(now|utcnow)\(|time\.time\(")
    allowed = {"wire/times.py", "device_drivers/pc/machine.py", "edge_agent/poller.py"}
    found = {str(file.relative_to(ROOT)) for file in sources(*PACKAGES) if reads.search(file.read_text())}
    simulators = {name for name in found if name.endswith("simulator.py")}
    assert found - simulators <= allowed


ROUTE = """\
from fastapi import APIRouter
from fleet_server.api.access import open_to_all
router = APIRouter()
@router.get("/toast", dependencies=[open_to_all("a toast")])
def toast() -> str:
    return "toast"
"""


def test_a_part_is_found_by_being_there(tmp_path: Path) -> None:
    """One of each is added to a copy, and nothing else is touched."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    added = {
        "device_drivers/toaster/__init__.py": "",
        "device_drivers/toaster/description.py": (ROOT / "device_drivers/pc/description.py")
        .read_text()
        .replace('driver="pc"', 'driver="toaster"'),
        "device_drivers/toaster/texts.toml": (ROOT / "device_drivers/pc/texts.toml").read_text(),
        "fleet_server/domain/checks/toast.py": (ROOT / "fleet_server/domain/checks/conference_runs.py").read_text(),
        "fleet_server/domain/checks/toast.toml": '[title]\nvi = "Bánh mì"\nen = "Toast"\n',
        "fleet_server/ingest/handlers/zz.py": (ROOT / "fleet_server/ingest/handlers/presence.py").read_text(),
        "fleet_server/api/v1/toast.py": ROUTE,
        "fleet_server/pages/toast/__init__.py": "",
        "fleet_server/pages/toast/page.py": ROUTE,
        "fleet_server/pages/toast/texts.toml": 'title = { vi = "Bánh", en = "Toast" }\n',
        "firmware_profiles/blueprints/department.yaml": (ROOT / "firmware_profiles/blueprints/commune.yaml")
        .read_text()
        .replace("kind: commune", "kind: department"),
    }
    for name, text in added.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    code = (
        "from device_drivers.registry import drivers, description_of\n"
        "from fleet_server.domain.checks import checks\n"
        "from fleet_server.discovery import modules_in\n"
        "from fleet_server.api.application import application\n"
        "from fleet_server.texts import texts\n"
        "from firmware_profiles.loader import blueprints\n"
        "assert 'toaster' in drivers() and description_of('toaster').driver == 'toaster'\n"
        "assert 'toast' in checks()\n"
        "assert any(m.__name__.endswith('.zz') for m in modules_in('fleet_server.ingest.handlers'))\n"
        "from starlette.testclient import TestClient\n"
        "from pathlib import Path\nfrom types import SimpleNamespace\nfrom fleet_server.config import Settings\n"
        "server = SimpleNamespace(stream=SimpleNamespace(last_id=''), settings=Settings(Path('none')))\n"
        "client = TestClient(application(server), base_url='http://127.0.0.1')\n"
        "assert client.get('/toast').json() == client.get('/api/v1/toast').json() == 'toast'\n"
        "assert {'checks.toast.title', 'toast.title'} <= set(texts())\n"
        "assert 'department' in blueprints()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "PATH": ""}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2_000:]


KEYS_IN_CODE = re.compile(r'(?:warned|failed|judged|not_asked)\("(\w+)"')
T_IN_TEMPLATES = re.compile(r"""\bt\(\s*['"]([\w.]+)['"]\s*[,)]""")
STEPS = re.compile(r'(?:progress|ActFailed|self\._wait|super\(\)\.__init__)\("(\w+)"')
ERRORS = "NotFound|Invalid|Conflict|Outdated|BadFile|WrongSettings|NotSignedIn|Forbidden|TooOften|SignerGone|Refusal"
RAISED = re.compile(rf'(?:{ERRORS})\((?:\d+, )?"([\w.]+)"')


def test_every_check_has_a_text_for_whatever_it_finds() -> None:
    known = texts()
    for file in (ROOT / "fleet_server/domain/checks").glob("[a-z]*.py"):
        keys = KEYS_IN_CODE.findall(file.read_text())
        for key in ["title", "ok", *keys]:
            assert f"checks.{file.stem}.{key}" in known, f"{file.stem}.{key}"


def test_every_text_that_a_page_asks_for_exists() -> None:
    known = texts()
    for file in (ROOT / "fleet_server/pages").rglob("*.html"):
        for key in T_IN_TEMPLATES.findall(file.read_text()):
            assert key in known, f"{file.name}: {key}"


def test_every_error_and_every_step_has_its_words() -> None:
    known = texts()
    for file in sources("fleet_server"):
        for key in RAISED.findall(file.read_text()):
            assert f"errors.{key}" in known, f"{file.name}: {key}"
    for file in sources("device_drivers", "edge_agent"):
        for key in STEPS.findall(file.read_text()):
            assert f"step.{key}" in known, f"{file.name}: {key}"


def test_both_languages_say_the_same_with_the_same_parameters() -> None:
    for key, entry in texts().items():
        assert unicodedata.is_normalized("NFC", entry["vi"]), key
        fields = [set(re.findall(r"\{(\w+)", entry[lang])) for lang in ("vi", "en")]
        assert fields[0] == fields[1], key
        assert entry["vi"] and entry["en"], key


def test_every_template_can_be_read() -> None:
    for name in _ENVIRONMENT.list_templates(extensions=["html"]):
        _ENVIRONMENT.get_template(name)


def test_no_template_holds_a_sentence() -> None:
    for file in (ROOT / "fleet_server/pages").rglob("*.html"):
        text = re.sub(r"\{% block (?:stream|html_class) %\}.*?\{% endblock %\}", "", file.read_text())
        bare = re.sub(r"\{[{%#].*?[}%#]\}|<[^>]*>", " ", text, flags=re.S)
        words = re.findall(r"[^\W\d_]{2,}", bare)
        assert set(words) <= {"DiemCau"}, f"{file}: {words}"


def test_the_tests_that_the_security_guide_names_are_there() -> None:
    guide = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_/]+/test_\w+\.py)`", guide))
    assert len(named) > 20
    assert not {name for name in named if not (ROOT / "tests" / name).is_file()}
