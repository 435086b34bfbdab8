"""Git checks out hundreds of sessions at once: each that differs is told, once, and no other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from localsessions import SessionChange, SessionStore, SessionSummary

pytestmark = pytest.mark.needs("git")

SESSIONS = 500
Kinds: TypeAlias = dict[str, str]
"""What happened, by session."""

# From the first commit to the second, and back.
FORTH: Kinds = {
    **{f"s{number:04}": "modified" for number in range(250)},
    **{f"s{number:04}": "deleted" for number in range(250, 325)},
    **{f"s{number:04}": "created" for number in range(SESSIONS, SESSIONS + 75)},
}
OPPOSITE = {"modified": "modified", "deleted": "created", "created": "deleted"}
BACK: Kinds = {session_id: OPPOSITE[kind] for session_id, kind in FORTH.items()}


def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def git(folder: Path, *arguments: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder.parent),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }
    name = ["-c", "user.name=Tester", "-c", "user.email=tester@example.invalid"]
    quiet = ["-c", "advice.detachedHead=false", "-c", "gc.auto=0", "-c", "core.fsync=none"]
    command = ["git", *name, *quiet, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def write(folder: Path, session_id: str, title: str) -> None:
    message = {"role": "user", "content": f"about {title}"}
    document = {"session_id": session_id, "title": title, "messages": [message]}
    # In one step: of a file that is written in two, both may be told.
    new = folder.parent / f"{session_id}.new"
    new.write_text(json.dumps(document, indent=2) + "\n")
    new.replace(folder / f"{session_id}.json")


def change_everything(folder: Path) -> None:
    for session_id, kind in FORTH.items():
        if kind == "deleted":
            (folder / f"{session_id}.json").unlink()
        else:
            write(folder, session_id, f"second {session_id}")


@pytest.fixture(autouse=True)
def fewer_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 500 sessions pass the bounds that 2,000 would pass: names, batches, looks, changes."""
    for bound, number in {
        "_local.watcher._MOST_NAMES": 250,
        "_local.reconciling._BATCH": 250,
        "_local.reconciling._MANY": 50,
        "_local.feed._MANY": 64,
        "_local.index.sessions.MANY": 50,
        "watching._BATCH": 64,
    }.items():
        monkeypatch.setattr(f"localsessions.{bound}", number)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of 500 sessions, with the commits "first" and "second"; "first" is out."""
    folder = tmp_path_factory.mktemp("history") / "sessions"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=first")
    for number in range(SESSIONS):
        write(folder, f"s{number:04}", f"first s{number:04}")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=first")
    git(folder, "checkout", "--quiet", "-b", "second")
    change_everything(folder)
    git(folder, "add", "--all", ".")
    git(folder, "commit", "--quiet", "--message=second")
    git(folder, "checkout", "--quiet", "first")
    return folder


@pytest.fixture
def folder(history: Path, tmp_path: Path) -> Path:
    """A copy of the history, for one test."""
    shutil.copytree(history, tmp_path / "sessions")
    return tmp_path / "sessions"


class Observer:
    """Somebody who watches a store and writes down what it is told."""

    def __init__(self, store: SessionStore, folder: Path) -> None:
        self.changes: list[SessionChange] = []
        self.errors: list[Exception] = []
        self._folder = folder
        self._marks = 0
        self._start = self.last = store.last_change()
        self.store = store
        self.watch = store.watch(
            self.changes.append, on_error=lambda error, _: self.errors.append(error)
        )

    def told(self, count: int) -> Kinds:
        """Return what was told since the last time: so many, and nothing after them."""
        wait_until(lambda: len(self.changes) >= count or self.errors)
        self._marks += 1
        mark = f"mark{self._marks}"
        write(self._folder, mark, "the last edit")
        wait_until(lambda: any(one.session_id == mark for one in list(self.changes)))
        assert self.errors == []
        changes, self.changes[:] = list(self.changes), []
        assert changes == list(self.store.changes(self.last, fresh=True))
        self.last = changes[-1].number
        (self._folder / f"{mark}.json").unlink()
        wait_until(lambda: self.changes)
        self.last = self.changes.pop().number
        return kinds_of(one for one in changes if one.session_id != mark)


def kinds_of(changes: Iterator[SessionChange]) -> Kinds:
    """Return what was told, of which nothing may be told twice, or from inside."""
    told = list(changes)
    assert {one.origin for one in told} <= {"external"}
    assert [
        one for one, count in Counter(one.session_id for one in told).items() if count > 1
    ] == []
    return {one.session_id: one.kind for one in told}


@pytest.fixture
def observer(store: SessionStore, folder: Path) -> Observer:
    assert store.count() == SESSIONS
    return Observer(store, folder)


def listed(store: SessionStore) -> list[SessionSummary]:
    found: list[SessionSummary] = []
    cursor = None
    while True:
        page = store.list(limit=500, cursor=cursor)
        found += page.items
        if (cursor := page.next_cursor) is None:
            return found


def check_the_list(store: SessionStore, folder: Path, which: str) -> None:
    """Compare the list with what is checked out, and with an index made from nothing."""
    found = listed(store)
    session_ids = {f"s{number:04}" for number in range(SESSIONS)}
    if which == "second":
        session_ids = session_ids - {one for one, kind in FORTH.items() if kind == "deleted"}
        session_ids |= {one for one, kind in FORTH.items() if kind == "created"}
    assert {one.session_id: one.title for one in found} == {
        one: f"{which if one in FORTH else 'first'} {one}" for one in session_ids
    }
    bare = folder.parent / "bare"
    shutil.copytree(folder, bare, ignore=shutil.ignore_patterns(".*"))
    with SessionStore(bare) as again:
        assert listed(again) == found
    shutil.rmtree(bare)


def test_a_checkout_is_told_exactly_forth_and_back(
    observer: Observer, store: SessionStore, folder: Path
) -> None:
    git(folder, "checkout", "--quiet", "second")
    assert observer.told(len(FORTH)) == FORTH
    check_the_list(store, folder, "second")
    git(folder, "checkout", "--quiet", "-")
    assert observer.told(len(BACK)) == BACK
    check_the_list(store, folder, "first")
    assert git(folder, "status", "--porcelain") == ""

    store.append("s0000", {"role": "user", "content": "afterwards"})
    assert git(folder, "status", "--porcelain").split() == ["M", "s0000.json"]


def test_a_hard_reset_is_told_exactly(
    observer: Observer, store: SessionStore, folder: Path
) -> None:
    git(folder, "reset", "--quiet", "--hard", "second")
    assert observer.told(len(FORTH)) == FORTH
    write(folder, "s0500", "by hand")
    assert observer.told(1) == {"s0500": "modified"}
    git(folder, "reset", "--quiet", "--hard")
    assert observer.told(1) == {"s0500": "modified"}
    git(folder, "reset", "--quiet", "--hard", "HEAD~1")
    assert observer.told(len(BACK)) == BACK
    check_the_list(store, folder, "first")


def test_a_stash_is_told_exactly_and_so_is_its_return(
    observer: Observer, store: SessionStore, folder: Path
) -> None:
    change_everything(folder)
    assert observer.told(len(FORTH)) == FORTH
    git(folder, "add", "--all", ".")
    git(folder, "stash", "--quiet")
    assert observer.told(len(BACK)) == BACK
    git(folder, "stash", "pop", "--quiet")
    assert observer.told(len(FORTH)) == FORTH
    check_the_list(store, folder, "second")


def test_who_was_away_is_told_the_same(store: SessionStore, folder: Path) -> None:
    assert store.count() == SESSIONS
    since = store.last_change()
    store.close()
    git(folder, "checkout", "--quiet", "second")
    with SessionStore(folder) as again:
        assert kinds_of(again.changes(since)) == FORTH
        assert list(again.changes(again.last_change())) == []
        since = again.last_change()
    git(folder, "checkout", "--quiet", "first")
    git(folder, "checkout", "--quiet", "second")
    with SessionStore(folder) as again:
        assert kinds_of(again.changes(since)) == {}
        since = again.last_change()
    git(folder, "checkout", "--quiet", "-")
    told: list[SessionChange] = []
    with SessionStore(folder) as again, again.watch(told.append, since=since):
        wait_until(lambda: len(told) >= len(BACK))
        assert kinds_of(iter(told)) == BACK
        check_the_list(again, folder, "first")
    assert len(told) == len(BACK)


@pytest.mark.parametrize("way", ["checkout", "restore", "stash", "reset"])
def test_an_edit_that_git_takes_back_is_told_as_one(
    way: str, observer: Observer, store: SessionStore, folder: Path
) -> None:
    write(folder, "s0001", "by hand")
    (change,) = [one for one in told_after(observer, 1) if one.session_id == "s0001"]
    assert change.changed == {"title": ("first s0001", "by hand")}
    command = {
        "checkout": ["checkout", "--quiet", "--", "s0001.json"],
        "restore": ["restore", "s0001.json"],
        "stash": ["stash", "--quiet"],
        "reset": ["reset", "--quiet", "--hard"],
    }[way]
    git(folder, *command)
    (change,) = [one for one in told_after(observer, 1) if one.session_id == "s0001"]
    assert (change.kind, change.changed) == ("modified", {"title": ("by hand", "first s0001")})
    if way == "stash":
        git(folder, "stash", "pop", "--quiet")
        (change,) = [one for one in told_after(observer, 1) if one.session_id == "s0001"]
        assert change.changed == {"title": ("first s0001", "by hand")}
    store.append("s0001", {"role": "user", "content": "afterwards"})
    assert listed(store)[0].message_count == 2


def told_after(observer: Observer, count: int) -> list[SessionChange]:
    wait_until(lambda: len(observer.changes) >= count)
    changes = list(observer.changes)
    observer.told(count)
    return changes


def test_what_git_leaves_alone_is_not_told(observer: Observer, folder: Path) -> None:
    git(folder, "status")
    git(folder, "gc", "--quiet")
    git(folder, "checkout", "--quiet", "-b", "third")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=third")
    git(folder, "stash", "list")
    assert observer.told(0) == {}
    ignored = git(folder, "status", "--porcelain", "--ignored")
    assert ignored.split() == ["!!", ".localsessions/"]
