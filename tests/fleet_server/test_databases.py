"""SQLite and PostgreSQL: forwards from every revision, moved from one to the other, written in turns."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Float,
    LargeBinary,
    MetaData,
    Table,
    insert,
    make_url,
    select,
    text,
)

from demo.processes import Processes
from fleet_server.config import url_of
from fleet_server.errors import BadFile, WrongSettings
from fleet_server.keeping.moving import Moved, move
from fleet_server.store import audit, schema
from fleet_server.store.database import Database, engine_of
from tests.conftest import need
from tests.counterparts.databases import CHOICE, change_in, postgres, postgres_is_there, url_in
from tests.counterparts.databases import rows_in as rows_of
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.forked import run_to_end
from wire.ids import uuid7
from wire.times import SystemClock

ROWS = 6
Content = dict[str, list[dict[str, Any]]]


@pytest.fixture
def urls(tmp_path: Path) -> Callable[[str], str]:
    """An empty database of a kind."""

    def made(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / f'{uuid7()}.db'}"
        need(postgres_is_there(), "postgresql")
        return url_of(postgres().database(f"t{uuid7().replace('-', '')}"), {})

    return made


def value_of(table: Table, name: str, nr: int, parents: Content) -> Any:
    """Something of the column's kind; what refers to another table refers to one of its rows."""
    column = table.columns[name]
    if column.nullable and nr % 3 == 0:
        return None
    for key in column.foreign_keys:
        return parents[key.column.table.name][nr][key.column.name]
    if isinstance(column.type, BigInteger):
        return nr + 1 if column.primary_key else 1_764_000_000_000 + nr
    if isinstance(column.type, Float):
        return nr + 0.1
    if isinstance(column.type, Boolean):
        return nr % 2 == 0
    if isinstance(column.type, LargeBinary):
        return bytes([nr, 0, 255])
    length = getattr(column.type, "length", None) or 60
    return f"{nr}-{name}: Thường Xuân, “Đông Sơn”"[:length]


def fill(db: Connection, tables: list[Table]) -> None:
    """Rows in every table."""
    parents: Content = {}
    for table in tables:
        rows = [{c.name: value_of(table, c.name, nr, parents) for c in table.columns} for nr in range(ROWS)]
        db.execute(insert(table), rows)
        parents[table.name] = rows


def content(db: Connection, tables: list[Table]) -> Content:
    """All rows, in the order of their keys."""
    return {
        table.name: sorted(
            (dict(row) for row in db.execute(select(table)).mappings()),
            key=lambda row, table=table: [str(row[key.name]) for key in table.primary_key],  # type: ignore[misc]
        )
        for table in tables
    }  # fmt: skip


def as_it_is(db: Connection) -> list[Table]:
    """The tables that a database has now."""
    found = MetaData()
    found.reflect(db)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def test_revisions_are_those_that_alembic_knows_in_its_order() -> None:
    scripts = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))
    assert schema.revisions() == [script.revision for script in scripts.walk_revisions()][::-1]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("revision", schema.revisions())
def test_what_a_database_of_any_revision_holds_is_still_there_at_the_newest(
    urls: Callable[[str], str], kind: str, revision: str
) -> None:
    engine = engine_of(urls(kind))
    with engine.begin() as db:
        schema.upgrade(db, revision)
        assert schema.revision_of(db) == revision
        tables = as_it_is(db)
        fill(db, tables)
        before = content(db, tables)
    with engine.begin() as db:
        schema.upgrade(db)
        assert schema.pending(db) == []
        after = content(db, as_it_is(db))
    engine.dispose()
    for name, rows in before.items():
        kept = [{column: row[column] for column in rows[0] if column in row} for row in after[name]]
        wanted = [{column: value for column, value in row.items() if column in kept[0]} for row in rows]
        assert kept == wanted, name


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_revisions_make_the_tables_that_the_program_knows(urls: Callable[[str], str], kind: str) -> None:
    engine = engine_of(urls(kind))
    with engine.begin() as db:
        schema.upgrade(db)
        found = {table.name: {column.name for column in table.columns} for table in as_it_is(db)}
    engine.dispose()
    assert found == {table.name: {column.name for column in table.columns} for table in schema.tables()}


def run(folder: Path, *command: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return run_to_end("--folder", str(folder), "--lang", "en", *command, env={**os.environ, **more})


@pytest.fixture
def at_rest(tmp_path: Path, any_database: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """A server's folder, its database a revision behind."""
    folder, url = tmp_path / "server", url_in(tmp_path / "server")
    folder.mkdir()
    engine = engine_of(url_of(url, {}))
    with engine.begin() as db:
        schema.upgrade(db, schema.revisions()[-2])
    engine.dispose()
    yield folder, {"DIEMCAU_DATABASE_URL": url}


def test_a_release_takes_an_older_database_forwards_only_when_told_and_after_a_backup(
    at_rest: tuple[Path, dict[str, str]],
) -> None:
    folder, environment = at_rest
    refused = run(folder, "serve", **environment)
    assert refused.returncode == 2 and "diemcau-server migrate" in refused.stderr
    done = run(folder, "migrate", **environment)
    assert done.returncode == 0, done.stderr
    (backup,) = (folder / "backups").iterdir()
    assert backup.name.startswith(f"before-{schema.revisions()[-1]}-") and backup.stat().st_mode & 0o077 == 0
    again = run(folder, "migrate", **environment)
    assert again.returncode == 0 and "nothing to do" in again.stdout
    back = run(folder, "restore", "--replace", str(backup), **environment)
    assert back.returncode == 0, back.stderr
    assert "1 steps behind" in run(folder, "serve", **environment).stderr, "as it was before"


def test_after_a_restore_nothing_is_left_of_what_a_newer_release_has_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the newer release, tried again, would find its tables there already."""
    need(postgres_is_there(), "postgresql")
    monkeypatch.setenv(CHOICE, "postgresql")
    folder, url = tmp_path / "server", url_in(tmp_path / "server")
    environment = {"DIEMCAU_DATABASE_URL": url}
    folder.mkdir()
    assert run(folder, "migrate", **environment).returncode == 0
    assert run(folder, "backup", str(folder / "before.zip"), **environment).returncode == 0
    added = (
        "CREATE TABLE later (id integer PRIMARY KEY, site text REFERENCES sites (id))",
        "CREATE FUNCTION later() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "INSERT INTO later VALUES (1, NULL)",
    )
    change_in(folder, *added)
    back = run(folder, "restore", "--replace", str(folder / "before.zip"), **environment)
    assert back.returncode == 0, back.stderr
    assert change_in(folder, *added) == 1, "and it can come again"
    assert "nothing to do" in run(folder, "migrate", **environment).stdout, "its own tables are as they were"


def test_a_full_postgresql_is_replaced_only_when_that_is_said_and_can_be_brought_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(postgres_is_there(), "postgresql")
    monkeypatch.setenv(CHOICE, "postgresql")
    folder, url = tmp_path / "server", url_in(tmp_path / "server")
    environment = {"DIEMCAU_DATABASE_URL": url}
    folder.mkdir()
    assert run(folder, "migrate", **environment).returncode == 0
    assert run(folder, "backup", str(folder / "before.zip"), **environment).returncode == 0
    change_in(folder, "INSERT INTO sites (id, code, name, kind, lat, lon) VALUES ('38-1', '', 'A', 'commune', 19, 105)")
    refused = run(folder, "restore", str(folder / "before.zip"), **environment)
    assert refused.returncode == 1 and "--replace" in refused.stderr, refused.stderr
    assert len(rows_of(folder, "SELECT id FROM sites")) == 1, "nothing was lost"
    for _ in range(2):
        back = run(folder, "restore", "--replace", str(folder / "before.zip"), **environment)
        assert back.returncode == 0 and rows_of(folder, "SELECT id FROM sites") == [], back.stderr
    first, *_ = sorted((folder / "backups").iterdir())
    again = run(folder, "restore", "--replace", str(first), **environment)
    assert again.returncode == 0 and len(rows_of(folder, "SELECT id FROM sites")) == 1, again.stderr


def test_the_programs_of_postgresql_go_where_the_whole_address_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Host and port in its query, as for a socket: another database of that name may listen at the usual port."""
    need(postgres_is_there(), "postgresql")
    monkeypatch.setenv(CHOICE, "postgresql")
    folder, whole = tmp_path / "server", make_url(url_in(tmp_path / "server"))
    folder.mkdir()
    query = {"host": str(whole.host), "port": str(whole.port)}
    url = whole.set(host=None, port=None, query=query).render_as_string(hide_password=False)
    assert run(folder, "migrate", DIEMCAU_DATABASE_URL=url).returncode == 0
    written = run(folder, "backup", str(folder / "all.zip"), DIEMCAU_DATABASE_URL=url)
    assert written.returncode == 0, written.stderr
    back = run(folder, "restore", "--replace", str(folder / "all.zip"), DIEMCAU_DATABASE_URL=url)
    assert back.returncode == 0, back.stderr


def test_an_older_release_leaves_the_database_of_a_newer_one_alone(at_rest: tuple[Path, dict[str, str]]) -> None:
    folder, environment = at_rest
    engine = engine_of(url_of(environment["DIEMCAU_DATABASE_URL"], {}))
    with engine.begin() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for command in ("serve", "migrate"):
        refused = run(folder, command, **environment)
        assert refused.returncode == 2 and "9999 of a newer release" in refused.stderr


def test_a_database_has_one_server(
    processes: Processes, mosquitto_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(postgres_is_there(), "postgresql")
    monkeypatch.setenv(CHOICE, "postgresql")
    first = FleetUnderTest(processes, mosquitto_port, tmp_path / "first")
    first.start()
    second = run(tmp_path / "second", "serve", "--port", "1", DIEMCAU_DATABASE_URL=first.database)
    assert second.returncode == 2 and "Another server uses the database" in second.stderr
    for command in (("migrate",), ("restore", "--replace", "a.zip"), ("move-database", f"sqlite:///{tmp_path}/x.db")):
        beside = run(tmp_path / "second", *command, DIEMCAU_DATABASE_URL=first.database)
        assert beside.returncode == 2 and "Another server uses the database" in beside.stderr, command
    first.kill()
    first.start()
    first.close()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[str]:
    """A full SQLite database."""
    url = f"sqlite:///{tmp_path / 'fleet.db'}"
    Database(url).close()
    engine = engine_of(url)
    with engine.begin() as db:
        fill(db, schema.tables())
    engine.dispose()
    yield url


def rows_in(url: str) -> Content:
    engine = engine_of(url)
    with engine.begin() as db:
        found = content(db, schema.tables()) if schema.revision_of(db) is not None else {}
    engine.dispose()
    return found


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_row_moves_and_nothing_moves_twice(source: str, urls: Callable[[str], str], kind: str) -> None:
    target = urls(kind)
    moved = move(source, target)
    assert {part.table for part in moved} == {table.name for table in schema.tables()}
    assert all(part.rows == ROWS for part in moved) and rows_in(target) == rows_in(source)
    with pytest.raises(BadFile, match="not_empty"):
        move(source, target)
    Database(target).close()


def test_the_command_moves_a_server_at_rest(source: str, tmp_path: Path, urls: Callable[[str], str]) -> None:
    target = urls("postgresql").replace("+psycopg", "")
    done = run(tmp_path, "move-database", target)
    assert done.returncode == 0, done.stderr
    assert f"{len(schema.tables()) * ROWS} rows" in done.stdout and rows_in(url_of(target, {})) == rows_in(source)


def test_a_row_that_cannot_go_along_leaves_the_target_empty(source: str, urls: Callable[[str], str]) -> None:
    engine, target = engine_of(source), urls("postgresql")
    with engine.begin() as db:
        db.execute(text("UPDATE sites SET name = 'x' || char(0) || 'y' WHERE id = (SELECT min(id) FROM sites)"))
    engine.dispose()
    with pytest.raises(BadFile, match="sites"):
        move(source, target)
    assert rows_in(target) == {}


def test_a_move_that_is_killed_leaves_the_target_empty_and_can_be_made_again(
    source: str, tmp_path: Path, urls: Callable[[str], str]
) -> None:
    target = urls("postgresql")
    # The program's own move, which stands still once it has told of its first table: a quick one would be over.
    halting = (
        "import sys; from fleet_server.keeping.moving import move; "
        "move(*sys.argv[1:], lambda part: (print(part.table, flush=True), sys.stdin.read()))"
    )
    command = [sys.executable, "-c", halting, source, target]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline(), "it has begun"
    child.send_signal(signal.SIGKILL)
    child.wait()
    engine = engine_of(target)
    with engine.begin() as db:  # waits until the dead one's transaction is gone
        assert schema.revision_of(db) is None
    engine.dispose()
    told: list[Moved] = []
    move(source, target, told.append)
    assert len(told) == len(schema.tables())


def test_writers_take_turns_also_in_different_programs(tmp_path: Path, any_database: str) -> None:
    url, each = url_of(url_in(tmp_path), {}), 15
    databases = [Database(url) for _ in range(4)]

    def write(database: Database) -> None:
        for nr in range(each):
            database.write_now(
                lambda db, nr=nr: audit.add(db, SystemClock().now(), "tests", "see", "done", details={"n": nr})
            )  # type: ignore[misc]

    threads = [threading.Thread(target=write, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = databases[0].read_now(lambda db: list(audit.rows(db)))
    for database in databases:
        database.close()
    assert [row.n for row in found] == list(range(1, 4 * each + 1))
    before = audit.START
    for row in found:
        assert row.hash == audit.hash_of(row, before)
        before = row.hash


def test_a_nul_in_a_text_stops_nothing(tmp_path: Path, any_database: str) -> None:
    database = Database(url_of(url_in(tmp_path), {}))
    database.write_now(lambda db: audit.add(db, SystemClock().now(), "An\0", "see", "done"))
    (row,) = database.read_now(lambda db: list(audit.rows(db)))
    database.close()
    assert row.by == "An\ufffd" and row.hash == audit.hash_of(row, audit.START), "what was hashed is what is kept"


@pytest.mark.parametrize(
    "wrong", ["mysql://u@h/d", "postgresql://u:secret@h/d", "postgresql://u@h", "nonsense", "postgresql:///"]
)
def test_an_address_that_is_none_or_holds_a_password_is_refused_without_being_shown(wrong: str) -> None:
    with pytest.raises(WrongSettings) as error:
        url_of(wrong, {})
    assert "secret" not in str(error.value)


def test_the_password_comes_from_a_file_and_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p@ss/w:ord\n")
    url = url_of(
        "postgresql://diemcau@db.tinh.vn:5433/fleet", {"DIEMCAU_DATABASE_PASSWORD_FILE": str(tmp_path / "password")}
    )
    engine = engine_of(url)
    assert (engine.url.password, engine.url.host, engine.url.port) == ("p@ss/w:ord", "db.tinh.vn", 5433)
    engine.dispose()
