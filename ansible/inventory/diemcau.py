#!/usr/bin/env python3
"""The rooms as the fleet server has them: a dynamic inventory of Ansible's. Standard library alone.

DIEMCAU_URL=https://centre.example.vn:8443, DIEMCAU_TOKEN_FILE, DIEMCAU_AUTHORITY (certificates of whoever vouches for
the server). Where a machine is reached: DIEMCAU_ROOM_HOSTS, a CSV file `site,host`; rooms that are not in it are left
out. Without DIEMCAU_URL there are none.
"""

import csv
import json
import os
import ssl
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

_WITHIN_S = 20


def main() -> int:
    """`--list` prints all, `--host` nothing more (it is in `_meta`)."""
    found: dict[str, Any] = {"_meta": {"hostvars": {}}}
    if "--host" not in sys.argv and (url := os.environ.get("DIEMCAU_URL", "")):
        found = inventory(url, hosts())
    print(json.dumps(found, indent=1, ensure_ascii=False))
    return 0


def hosts() -> dict[str, str]:
    """Site -> address of its machine."""
    with Path(os.environ["DIEMCAU_ROOM_HOSTS"]).open(encoding="utf-8", newline="") as file:
        return {row[0].strip(): row[1].strip() for row in csv.reader(file) if len(row) >= 2 and row[0].strip()}


def inventory(url: str, addresses: dict[str, str]) -> dict[str, Any]:
    """Groups: `rooms`, and one for each verdict."""
    variables, groups = {}, {"rooms": {"hosts": []}}
    for site in sites(url.rstrip("/")):
        if site["id"] not in addresses:
            continue
        name = f"room-{site['id']}"
        variables[name] = {
            "ansible_host": addresses[site["id"]], "diemcau_site": site["id"], "diemcau_name": site["name"],
            "diemcau_verdict": site["verdict"],
        }  # fmt: skip
        for group in ("rooms", f"verdict_{site['verdict']}"):
            groups.setdefault(group, {"hosts": []})["hosts"].append(name)
    return {"_meta": {"hostvars": variables}, **groups}


def sites(url: str) -> Iterator[dict[str, Any]]:
    """All of them, a page at a time."""
    cursor = ""
    while True:
        page = ask(f"{url}/api/v1/sites?limit=1000{cursor}")
        yield from page["items"]
        if not page.get("next"):
            return
        cursor = f"&cursor={quote(page['next'])}"


def ask(address: str) -> Any:
    """One question to the API."""
    token = Path(os.environ["DIEMCAU_TOKEN_FILE"]).read_text(encoding="utf-8").strip()
    asked = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    secure = ssl.create_default_context(cafile=os.environ.get("DIEMCAU_AUTHORITY"))
    with urllib.request.urlopen(asked, timeout=_WITHIN_S, context=secure) as answer:  # noqa: S310
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main())
