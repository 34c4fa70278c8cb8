"""What the demo says before and while it starts."""

import io
import socket
from pathlib import Path

import pytest

from demo.preflight import CannotStart, check_port, check_space
from demo.processes import PartEnded, Processes
from demo.progress import Progress
from demo.province import province_of
from tests.counterparts.waiting import wait_for


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_taken_port_is_a_sentence_that_names_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=f"--port {port + 1}"):
            check_port(port)
    check_port(port)


def test_a_disk_without_space_is_a_sentence() -> None:
    check_space(1)
    with pytest.raises(CannotStart, match="TMPDIR"):
        check_space(10**12)


def test_a_part_that_ends_is_named_with_its_last_lines(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("broker", ["sh", "-c", "echo what went wrong; exit 3"])
    wait_for(processes.ended, 30, "it does not end")
    with pytest.raises(PartEnded, match=r"(?s)'broker'.*status 3.*\./dev demo.*what went wrong"):
        processes.check()
    done = processes.start_once("prepare", ["sh", "-c", "echo no space; exit 1"], {})
    with pytest.raises(PartEnded, match="no space"):
        wait_for(done, 30, "it does not end")
    processes.end()


def test_progress_renews_one_line_on_a_terminal_and_is_rare_elsewhere() -> None:
    terminal, file = Terminal(), io.StringIO()
    for shown in (Progress(terminal), Progress(file)):
        for number in range(100):
            shown.show(f"{number} of 167")
        shown.clear()
    assert "\n" not in terminal.getvalue() and "99 of 167" in terminal.getvalue()
    assert file.getvalue() == "0 of 167\n"


@pytest.mark.parametrize(("count", "hubs"), [(1, 1), (16, 1), (167, 1), (200, 2), (3321, 34)])
def test_every_site_of_a_province_is_there_once_and_hangs_on_a_hub(count: int, hubs: int) -> None:
    places = province_of(count).places
    ids = [place.site_id for place in places]
    known = {place.site_id for place in places if place.kind == "hub"}
    assert len(set(ids)) == len(ids) and len(known) == hubs
    assert len(ids) == (count if count <= 167 else count + hubs)
    assert all(place.parent in known for place in places if place.kind == "commune")
