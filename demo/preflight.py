"""What would stop the demo is found before it starts: a taken port, a full disk."""

import json
import shutil
import socket
import tempfile
import urllib.error
import urllib.request

_LEAST_BYTES, _BYTES_A_ROOM = 400_000_000, 100_000


class CannotStart(Exception):
    """One sentence in both languages: what is wrong and what to do."""


def check_port(port: int) -> None:
    """Raises CannotStart where something listens on the port already."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return
    if _is_diemcau(port):
        raise CannotStart(
            f"Một bản trình diễn (hoặc máy chủ DiemCau) đã chạy ở http://127.0.0.1:{port}: hãy mở nó, "
            f"hoặc thêm --port {port + 1}.\n"
            f"A demo (or a DiemCau server) runs at http://127.0.0.1:{port} already: open it, or add --port {port + 1}."
        )
    raise CannotStart(
        f"Cổng {port} đang được chương trình khác dùng: hãy thêm --port {port + 1}.\n"
        f"Port {port} is used by another program: add --port {port + 1}."
    )


def check_space(rooms: int) -> None:
    """Raises CannotStart where the disk for temporary files is too full."""
    folder = tempfile.gettempdir()
    free, needed = shutil.disk_usage(folder).free, _LEAST_BYTES + rooms * _BYTES_A_ROOM
    if free < needed:
        free_mb, needed_mb = free // 1_000_000, needed // 1_000_000
        raise CannotStart(
            f"Ổ đĩa chứa {folder} chỉ còn {free_mb} MB, bản trình diễn cần {needed_mb} MB: hãy xóa bớt, "
            "hoặc đặt TMPDIR sang ổ đĩa khác.\n"
            f"The disk of {folder} has {free_mb} MB left and the demo needs {needed_mb} MB: make space, "
            "or set TMPDIR to a folder on another disk."
        )


def _is_diemcau(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/health", timeout=3) as answer:
            return "broker" in json.load(answer)
    except (OSError, ValueError):
        return False
