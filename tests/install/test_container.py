"""The container's files, as far as they can be looked at without a daemon: each names what there is."""

import re
from typing import Any

import yaml

from tests.counterparts.booted import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "container/compose.yaml").read_text())
DOCKERFILE = (ROOT / "container/Dockerfile").read_text()
KEYWORDS = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "RUN", "USER", "VOLUME"}


def test_every_setting_is_one_that_the_server_reads() -> None:
    sources = "".join(file.read_text() for file in (ROOT / "fleet_server").rglob("*.py"))
    for name, value in COMPOSE["x-server"]["environment"].items():
        assert f'"{name}"' in sources, name
        assert isinstance(value, str)
    for name in re.findall(r"\b(DIEMCAU_[A-Z_]+)=", DOCKERFILE):
        assert f'"{name}"' in sources, name


def test_volumes_secrets_and_services_that_are_named_are_there() -> None:
    for name, service in COMPOSE["services"].items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source.startswith((".", "/")) or source in COMPOSE["volumes"], (name, volume)
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])
        assert service.get("image"), name
    ports = COMPOSE["services"]["broker"]["ports"]
    assert {"8883:8883", "8443:8443", "8443:8443/udp"} <= set(ports), "rooms time their lines by UDP"
    keys = {name for name in COMPOSE["x-server"]["secrets"] if f"/run/secrets/{name}" in str(COMPOSE["x-server"])}
    assert keys == set(COMPOSE["secrets"]), "each is one that a setting names"
    assert COMPOSE["services"]["server"]["read_only"] is True and COMPOSE["services"]["server"]["cap_drop"] == ["ALL"]


def test_the_dockerfile_is_made_of_instructions_and_copies_what_there_is() -> None:
    joined = re.sub(r"\\\n", " ", DOCKERFILE)
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    assert {line.split()[0] for line in lines} <= KEYWORDS
    for line in lines:
        if line.startswith("COPY") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert source.startswith("dist/") or (ROOT / source).exists(), source
    extras = re.search(r"\[([a-z,]+)\]\"", DOCKERFILE)
    assert extras is not None
    known = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf"^{extra} = \[", known, re.M) for extra in extras[1].split(","))
    assert lines[-1].startswith("CMD") and "USER diemcau" in lines, "nobody runs as root"
