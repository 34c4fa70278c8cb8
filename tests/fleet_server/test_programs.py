"""Accounts of programs: a token and no password; no person is to share one."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleet_server.cli import main
from fleet_server.people.users import first_link
from fleet_server.signing.one_time import hash_of
from fleet_server.store import people
from fleet_server.store.database import Database
from fleet_server.store.people import KeyKind
from tests.counterparts.databases import database_in, url_in

NOW = datetime.now(UTC)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("DIEMCAU_DATABASE_URL", url_in(tmp_path))
    with closing(database_in(tmp_path)) as made:
        yield made


def token_of(folder: Path, login: str) -> str:
    file = folder / "token"
    given = ["users", "token", login, "--role", "administrator", "--token-file", str(file)]
    assert main(["--folder", str(folder), *given]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    return file.read_text()


def tokens(database: Database) -> set[str]:
    keys = database.read_now(lambda db: people.live_keys(db, NOW))
    return {key.hash for key in keys if key.kind is KeyKind.TOKEN}


def test_the_first_persons_link_is_not_for_the_account_of_a_program(tmp_path: Path, database: Database) -> None:
    token_of(tmp_path, "ansible")
    link = database.write_now(lambda db: first_link(db, "https://centre", NOW))
    assert link is not None
    invited = {
        key.user for key in database.read_now(lambda db: people.live_keys(db, NOW)) if key.kind is KeyKind.INVITATION
    }
    logins = {user.id: user.login for user in database.read_now(people.all_users)}
    assert {logins[user] for user in invited} == {"admin"}, sorted(logins.values())
    database.write_now(lambda db: first_link(db, "https://centre", NOW))
    assert database.read_now(people.count_users) == 2, "asked again it is the same person's"


def test_a_new_token_ends_the_one_before(tmp_path: Path, database: Database) -> None:
    first = token_of(tmp_path, "ansible")
    second = token_of(tmp_path, "ansible")
    other = token_of(tmp_path, "inventory")
    assert tokens(database) == {hash_of(second), hash_of(other)} and first != second


def test_a_person_that_is_added_twice_is_refused(
    tmp_path: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    add = ["--folder", str(tmp_path), "--lang", "en", "users", "add", "lan", "--role", "operator"]
    assert main(add) == 0 and "/set-up#" in capsys.readouterr().out
    assert main(add) != 0 and "lan" in capsys.readouterr().err
