"""Addresses: they make no folder, and the password in one is shown nowhere."""

from __future__ import annotations

import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
from pathlib import Path
from urllib.parse import quote

import cluster
import needs
import pytest
from server.asking import running

from localsessions import AsyncSessionStore, SessionStore, StoreUnavailableError
from localsessions.adapters.agentscope import JSONSession, SqliteSession
from localsessions.adapters.codelab import Database

if lacking := needs.of_module("postgres"):
    pytest.skip(lacking, allow_module_level=True)

pytestmark = pytest.mark.needs("postgres")

SECRET = "s3cr3t/p@ss:w?rd"
ADDRESS = f"postgresql://me:{quote(SECRET, safe='')}@127.0.0.1:1/none?connect_timeout=1"
AMBIGUOUS = [
    "postgresql://me:s3cr3t/p@ss@host/db",
    "postgresql://me:s3cr3t?x@host/db",
    "postgresql://me:s3cr3t#x@host/db",
    "postgresql://me:s3cr3t p@host/db",
    "postgresql://me:s3cr3t%zz@host/db",
    "postgresql://me:s3cr3t@host:port/db",
    "postgresql://me:s3cr3t@host/db?store=",
    "postgresql://me:s3cr3t@host/db?connections=0",
    "postgresql://me:s3cr3t@host/db?nonsense=1",
    "postgresql:/me:s3cr3t@host/db",
    "mysql://me:s3cr3t@host/db",
]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in an empty folder, which must stay empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("address", AMBIGUOUS)
def test_what_may_be_misread_is_refused_and_not_repeated(address: str, empty: Path) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        SessionStore(address)
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))
    assert not os.listdir(empty)


def test_a_path_is_no_address(empty: Path) -> None:
    with pytest.raises(ValueError, match="given as a str"):
        SessionStore(Path("postgresql://me@host/db"))
    assert not os.listdir(empty)


def test_a_password_is_in_no_error_repr_pickle_or_log(
    empty: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreUnavailableError) as caught:
        SessionStore(ADDRESS)
    told = [*traceback.format_exception(caught.value), repr(caught.value), caplog.text]
    told.append(repr(pickle.loads(pickle.dumps(caught.value))))
    told.append(repr(vars(caught.value)))
    for spelled in (SECRET, quote(SECRET, safe=""), quote(SECRET)):
        assert not [one for one in told if spelled in one]
    assert "127.0.0.1:1/none" in str(caught.value)
    assert not os.listdir(empty)


def test_a_password_is_in_nothing_that_an_open_store_says(empty: Path) -> None:
    more = f"user=tests&password={SECRET[:6]}"
    address = cluster.shared().new_store().replace("user=tests", more)
    with SessionStore(address) as store:
        store.create("a")
        said = [repr(store), store.save_dir, store.path("a"), repr(store.stats())]
        said += [repr(vars(store.engine)), repr(store.engine), repr(store.verify())]
        with pytest.raises(LookupError) as caught:
            store.load("none")
        said.append(str(caught.value))
    assert not [one for one in said if SECRET[:6] in one]
    assert not os.listdir(empty)


def test_one_database_has_several_stores(address: str) -> None:
    with SessionStore(address) as one, SessionStore(f"{address}-other") as other:
        one.create("a")
        other.create("a", title="other")
        assert (one.load("a").title, other.load("a").title) == (None, "other")
        assert (one.count(), other.count(), one.save_dir == other.save_dir) == (1, 1, False)
        assert one.delete("a")
        assert other.count() == 1
        assert not list(other.changes(other.last_change()))


def test_what_is_shown_opens_the_same_store(address: str) -> None:
    with SessionStore(address) as store, SessionStore(store.save_dir) as again:
        store.create("a")
        assert again.count() == 1


def test_the_twin_that_awaits_takes_an_address(address: str) -> None:
    AsyncSessionStore(address)._store.close()


def test_what_keeps_files_refuses_an_address_and_says_what_to_use(empty: Path) -> None:
    for make in (
        lambda: JSONSession(save_dir=ADDRESS),
        lambda: SqliteSession(ADDRESS),
        lambda: Database(ADDRESS),
    ):
        with pytest.raises(ValueError, match="SessionStore") as caught:
            make()
        assert "s3cr3t" not in str(caught.value)
    assert not os.listdir(empty)


WITHOUT = """
import sys
sys.modules["psycopg"] = None
from localsessions.__main__ import main
from localsessions import SessionStore
try:
    SessionStore("postgresql://host/db")
except ImportError as error:
    print(error)
sys.argv = ["localsessions", "--dir", "postgresql://me:s3cr3t@host/db", "list"]
sys.exit(main())
"""


def test_without_the_extra_the_pip_line_is_told_and_no_folder_made(empty: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    line = "pip install 'localsessions[postgres]'"
    assert line in done.stdout
    assert (done.returncode, line in done.stderr) == (2, True)
    assert "s3cr3t" not in done.stdout + done.stderr
    assert not os.listdir(empty)


def test_the_service_of_an_address_keeps_its_token_with_the_user(
    empty: Path, tmp_path_factory: pytest.TempPathFactory, address: str
) -> None:
    runtime = tmp_path_factory.mktemp("runtime")
    runtime.chmod(0o700)
    with SessionStore(address) as store:
        store.create("a", title="a talk")
    env = {"XDG_RUNTIME_DIR": str(runtime)}
    with running(f"{address}&password={quote(SECRET, safe='')}", env=env) as service:
        assert service("GET", "sessions/a").document["title"] == "a talk"
        (advert,) = runtime.rglob("server.json")
        assert json.loads(advert.read_bytes())["token"] == service.token
        assert SECRET not in advert.read_text()
        with running(address, env=env) as second:  # the password makes no other store
            assert {one.parent for one in runtime.rglob("*.json")} == {advert.parent}
            assert len([*runtime.rglob("*.json")]) == 2
            assert second("GET", "sessions/a").status == 200
    assert not os.listdir(empty)


def test_the_command_line_takes_an_address(empty: Path, address: str) -> None:
    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "localsessions", "--dir", address, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    session_id = run("new", "--title", "a talk").split()[0]
    assert "a talk" in run("list")
    assert "a talk" in run("show", session_id)
    assert run("path").strip() in address.replace("%2F", "/") or "store=" in run("path")
    assert "sessions" in run("stats")
    assert not os.listdir(empty)
