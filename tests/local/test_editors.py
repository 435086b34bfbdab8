"""Whatever way an editor saves, it is told as what it is: one change, once, from outside.

The programs are the real ones. Where they cannot be run here, their calls of the system are made
in their order, as their sources have them.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest
from inside import local
from patience import replace

from localsessions import ChangesExpiredError, SessionChange, SessionStore, SessionSummary

pytestmark = pytest.mark.needs("bash")

Changed: TypeAlias = Mapping[str, tuple[object, object]]
Told: TypeAlias = dict[str, list[tuple[str, Changed]]]
"""By session: what was told of it in order, each a kind and the fields that differ."""

LINK = "it is a symbolic link, which is not followed"


def created(title: str, messages: int = 1) -> tuple[str, Changed]:
    changed: dict[str, tuple[object, object]] = {
        "title": (None, title),
        "status": (None, "active"),
        "message_count": (None, messages),
    }
    return "created", changed


DELETED: tuple[str, Changed] = ("deleted", {})
UNREADABLE: tuple[str, Changed] = ("unreadable", {})


def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a program; one that is not installed skips the test, but not where CI tests."""
    name = str(command[0])
    if shutil.which(name) is None:
        missing = f"{name} is not installed"
        if "LOCALSESSIONS_NO_SKIPS" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 0, (command, done.stdout, done.stderr)


class Observer:
    """Somebody who watches a store and writes down what it is told."""

    def __init__(self, store: SessionStore, folder: Path) -> None:
        self.changes: list[SessionChange] = []
        self.errors: list[Exception] = []
        self._store = store
        self._folder = folder
        self._marks = 0
        self._start = store.last_change()
        self.watch = store.watch(
            self.changes.append, on_error=lambda error, _: self.errors.append(error)
        )

    def of(self, session_id: str) -> list[SessionChange]:
        return [one for one in list(self.changes) if one.session_id == session_id]

    def kinds(self, session_id: str) -> list[str]:
        return [one.kind for one in self.of(session_id)]

    def count(self, session_id: str) -> object:
        """Return the number of messages as it was last told."""
        counts = [one.changed.get("message_count", (0, 0))[1] for one in self.of(session_id)]
        return counts[-1] if counts else 0

    def told(self, count: int) -> Told:
        """Return all that was told: wait for so many, and then for an edit made after them all."""
        wait_until(lambda: len(self.changes) >= count or self.errors)
        self.mark()
        told: Told = defaultdict(list)
        for change in self.changes:
            assert change.origin == "external"
            if not change.session_id.startswith("mark"):
                told[change.session_id].append((change.kind, dict(change.changed)))
        return dict(told)

    def mark(self) -> None:
        """Make an edit and wait until it is told, and until nothing is waiting to be."""
        self._marks += 1
        name = f"mark{self._marks}"
        new = self._folder.parent / name
        new.write_text('{"title": "the last edit"}')
        replace(new, self._folder / f"{name}.json")
        wait_until(lambda: "created" in self.kinds(name))
        wait_until(lambda: not local(self._store).index.pending())
        numbers = [one.number for one in self.changes]
        assert numbers == sorted(set(numbers))

    def agree_with_the_log(self) -> None:
        assert list(self._store.changes(self._start, fresh=True)) == self.changes


@pytest.fixture
def observer(store: SessionStore, folder: Path) -> Observer:
    """Somebody who watches the sessions a, b and c, titled "old a" and so on."""
    for name in "abc":
        store.create(name, title=f"old {name}")
        store.append(name, {"role": "user", "content": f"about {name}"})
    return Observer(store, folder)


def listed(store: SessionStore) -> dict[str, SessionSummary]:
    return {one.session_id: one for one in store.list(limit=1000)}


def check_the_store_is_right(store: SessionStore, folder: Path) -> None:
    """Append to each session, then compare the list with that of an index made from nothing."""
    for session_id, summary in listed(store).items():
        if summary.unreadable is None:
            store.append(session_id, {"role": "user", "content": "afterwards"})
            assert listed(store)[session_id].message_count == summary.message_count + 1
    found = listed(store)
    store.close()
    shutil.rmtree(folder / ".localsessions")
    with SessionStore(folder) as again:
        assert listed(again) == found


# -- ways of saving ------------------------------------------------------------------------------


def edited(path: Path) -> bytes:
    return path.read_bytes().replace(b"old ", b"new ")


def with_a_message(path: Path) -> bytes:
    document = json.loads(path.read_bytes())
    document["messages"].append({"role": "user", "content": "by hand"})
    return json.dumps(document, indent=2).encode() + b"\n"


def vs_code(path: Path, data: bytes) -> None:
    """``writeFile`` of src/vs/platform/files/node/diskFileSystemProvider.ts: open with the flag
    "w", write, fdatasync, close; an issue asks for an atomic save (microsoft/vscode#98063).
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    os.write(file, data)
    os.fdatasync(file)
    os.close(file)


def jetbrains(path: Path, data: bytes) -> None:
    """``close`` of com/intellij/util/io/SafeFileOutputStream.java: "safe write", the default."""
    new, old = Path(f"{path}___jb_tmp___"), Path(f"{path}___jb_old___")
    new.write_bytes(data)
    path.rename(old)
    new.rename(path)
    path.chmod(old.stat().st_mode & 0o777)
    old.unlink()


def emacs(path: Path, data: bytes) -> None:
    """The first save of a file: a lock that is a link to nowhere (src/filelock.c), the backup by
    renaming (``backup-buffer`` of lisp/files.el), then a new file, and its modes.
    """
    lock, mode = path.with_name(f".#{path.name}"), path.stat().st_mode & 0o777
    lock.symlink_to("user@host.4711:1735634700")
    path.rename(f"{path}~")
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    os.write(file, data)
    os.fsync(file)
    os.close(file)
    path.chmod(mode)
    lock.unlink()


def emacs_again(path: Path, data: bytes) -> None:
    """Later saves are in place, with what was typed meanwhile in ``#file#``."""
    typed = path.with_name(f"#{path.name}#")
    typed.write_bytes(data)
    vs_code(path, data)
    typed.unlink()


def gedit(path: Path, data: bytes) -> None:
    """``g_file_replace`` of GLib's gio/glocalfileoutputstream.c."""
    new = path.with_name(".goutputstream-A1B2C3")
    new.write_bytes(data)
    new.chmod(path.stat().st_mode & 0o777)
    replace(new, path)


def kate(path: Path, data: bytes) -> None:
    """QSaveFile: a temporary file named after the target, and then a rename."""
    new = path.with_name(f"{path.name}.aBcDeF")
    new.write_bytes(data)
    replace(new, path)


def in_two_steps(path: Path, data: bytes) -> None:
    """As shells and most scripts do: truncate, write in pieces, close."""
    with path.open("wb", buffering=0) as file:
        for at in range(0, len(data), 64):
            file.write(data[at : at + 64])


def vim(*options: str) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        # In batch mode, with nobody's settings. Files in /tmp get no backup unless told.
        program = "vim" if shutil.which("vim") else "vim.tiny"
        told = [word for option in ("backupskip=", *options) for word in ("-c", f"set {option}")]
        start = [program, "-N", "-u", "NONE", "-i", "NONE", "-es", *told]
        run(*start, "-c", "%s/old /new /", "-c", "wq", path)
        assert b"new " in path.read_bytes()

    return edit


def nano(path: Path) -> None:
    """Nano has no batch mode: press its keys."""
    if shutil.which("nano") is None:
        run("nano")
    import pty

    here, there = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "LC_ALL": "C"}
    command = ["nano", "--ignorercfiles", path.name]
    editor = subprocess.Popen(
        command, cwd=path.parent, env=environment, stdin=there, stdout=there, stderr=there
    )
    os.close(there)
    replace_all, write_out, leave = b"\x1cold \rnew \rA", b"\x0f\r", b"\x18"
    seen = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and editor.poll() is None:
        if select.select([here], [], [], 0.05)[0]:
            try:
                seen += os.read(here, 65536)
            except OSError:
                break  # it has left
        elif b"Read " in seen:  # and it waits for keys now
            os.write(here, replace_all + write_out + leave)
            seen = b""
    assert editor.wait(120) == 0
    os.close(here)


def keeping_times(act: Callable[[Path], object]) -> Callable[[Path], None]:
    """Give the file the times that it had, and see to it that its size has not changed."""

    def edit(path: Path) -> None:
        before = path.stat()
        act(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = path.stat()
        assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)

    return edit


def from_elsewhere(*command: str, same_mtime: bool = False) -> Callable[[Path], None]:
    """Edit a copy in another folder, which the command then brings back."""

    def bring(path: Path) -> None:
        elsewhere = path.parent.parent / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        source = elsewhere / path.name
        source.write_bytes(edited(path))
        before = path.stat()
        old = before.st_mtime_ns - (0 if same_mtime else 3_600_000_000_000)
        os.utime(source, ns=(old, old))
        run(*command, source, path)
        if {"-p", "-a", "-t"} & {*command}:
            assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, old)

    return bring


REPLAYED = {
    act.__name__: act for act in (vs_code, jetbrains, emacs, emacs_again, gedit, kate, in_two_steps)
}
EDITS: dict[str, Callable[[Path], object]] = {
    **{
        name: lambda path, act=act: act(path, edited(path))  # type: ignore[misc]
        for name, act in REPLAYED.items()
    },
    "vim": vim(),
    "vim, backupcopy=no": vim("backupcopy=no"),
    "vim, backupcopy=yes": vim("backupcopy=yes"),
    "vim, a backup kept": vim("backup", "backupcopy=no"),
    "vim, no backup": vim("nowritebackup"),
    "nano": nano,
    "sed -i": lambda path: run("sed", "-i", "s/old /new /", path),
    "sed -i with a backup": lambda path: run("sed", "-i.bak", "s/old /new /", path),
    "perl -i": lambda path: run("perl", "-i", "-pe", "s/old /new /", path),
    "perl -i with a backup": lambda path: run("perl", "-i.bak", "-pe", "s/old /new /", path),
    "cp": from_elsewhere("cp"),
    "cp -p": from_elsewhere("cp", "-p"),
    "cp -p, the same time": from_elsewhere("cp", "-p", same_mtime=True),
    "cp --remove-destination": from_elsewhere("cp", "--remove-destination"),
    "mv": from_elsewhere("mv"),
    "install": from_elsewhere("install", "-m", "600"),
    "ln": from_elsewhere("ln", "-f"),
    "dd": lambda path: run(
        "sh", "-c", 'sed "s/old /new /" "$0" > "$0.x" && dd if="$0.x" of="$0" bs=100', path
    ),
    "rsync -a": from_elsewhere("rsync", "-a"),
    "rsync -t": from_elsewhere("rsync", "-t"),
    "rsync, the same time": from_elsewhere("rsync", "-a", "--ignore-times", same_mtime=True),
    "rsync in place, the same time": from_elsewhere(
        "rsync", "-t", "--ignore-times", "--inplace", same_mtime=True
    ),
    "sed -i, times restored": keeping_times(lambda path: run("sed", "-i", "s/old /new /", path)),
    "in place, times restored": keeping_times(lambda path: vs_code(path, edited(path))),
}


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a machine stop an editor half-way for as long as it likes: what it saves stays young."""
    monkeypatch.setattr("localsessions._local.reading._YOUNG_NS", 60_000_000_000)
    monkeypatch.setattr("localsessions._local.files.reading._is_settled", lambda _: False)


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("way", EDITS)
def test_an_edit_is_told_once(
    way: str, observer: Observer, store: SessionStore, folder: Path
) -> None:
    EDITS[way](folder / "a.json")
    wait_until(lambda: observer.kinds("a"))
    assert listed(store)["a"].title == "new a"
    assert observer.told(1) == {"a": [("modified", {"title": ("old a", "new a")})]}
    assert observer.errors == []
    observer.agree_with_the_log()
    check_the_store_is_right(store, folder)


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("way", REPLAYED)
def test_messages_that_were_added_by_hand_are_told_by_their_positions(
    way: str, observer: Observer, store: SessionStore, folder: Path
) -> None:
    path = folder / "a.json"
    for count in (2, 3, 4):
        REPLAYED[way](path, with_a_message(path))
        wait_until(lambda n=count: observer.count("a") == n)  # type: ignore[misc]
        assert listed(store)["a"].message_count == count
        observer.mark()
    assert [(one.kind, one.new_messages) for one in observer.of("a")] == [
        ("modified", (before, before + 1)) for before in (1, 2, 3)
    ]
    check_the_store_is_right(store, folder)


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("way", REPLAYED)
def test_of_many_saves_what_is_told_makes_up_the_whole_way(
    way: str, observer: Observer, store: SessionStore, folder: Path
) -> None:
    """Several edits between two looks are one."""
    path = folder / "a.json"
    for _ in range(30):
        REPLAYED[way](path, with_a_message(path))
    wait_until(lambda: observer.count("a") == 31)
    observer.mark()
    changes = observer.of("a")
    counts = [one.changed.get("message_count", (0, 0)) for one in changes]
    assert {one.kind for one in changes} == {"modified"}
    assert [before for before, _ in counts] == [1, *(after for _, after in counts[:-1])]
    assert counts[-1][1] == 31
    observer.agree_with_the_log()
    check_the_store_is_right(store, folder)


@pytest.mark.usefixtures("unhurried")
def test_a_file_that_is_away_while_it_is_saved_is_not_deleted(
    observer: Observer, store: SessionStore, folder: Path
) -> None:
    """As with Emacs, vim and JetBrains; here the moment lasts until the store has seen it."""

    path, data = folder / "a.json", edited(folder / "a.json")
    path.rename(f"{path}~")
    wait_until(lambda: local(store).index.get("a") is None)
    path.write_bytes(data)
    assert observer.told(1) == {"a": [("modified", {"title": ("old a", "new a")})]}
    observer.agree_with_the_log()
    check_the_store_is_right(store, folder)


# -- ways of moving ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Move:
    command: str
    told: Told = field(default_factory=dict)


# No moment between two of these commands shows a file that none of them is about.
MOVES = {
    "copied over another": Move(
        "cp -p a.json x; mv x b.json", {"b": [("modified", {"title": ("old b", "old a")})]}
    ),
    "moved out": Move("mv a.json ..", {"a": [DELETED]}),
    "removed": Move("rm a.json b.json", {"a": [DELETED], "b": [DELETED]}),
    "moved in": Move(
        "sed 's/old /new /' a.json > ../d.json; mv ../d.json .", {"d": [created("new a")]}
    ),
    "moved within": Move("mv a.json d.json", {"a": [DELETED], "d": [created("old a")]}),
    "moved over another": Move(
        "mv a.json b.json",
        {"a": [DELETED], "b": [("modified", {"title": ("old b", "old a")})]},
    ),
    "swapped": Move(
        "cp -p a.json x; cp -p b.json y; mv y a.json; mv x b.json",
        {
            "a": [("modified", {"title": ("old a", "old b")})],
            "b": [("modified", {"title": ("old b", "old a")})],
        },
    ),
    "hard-linked": Move("ln a.json d.json", {"d": [created("old a")]}),
    "hard-linked over another": Move(
        "ln -f a.json b.json", {"b": [("modified", {"title": ("old b", "old a")})]}
    ),
    "linked in its place": Move(
        "cp a.json ..; ln -s ../a.json x; mv x a.json", {"a": [UNREADABLE]}
    ),
    "linked under a new name": Move("ln -s a.json d.json", {"d": [UNREADABLE]}),
    "a folder under a new name": Move("mkdir d.json", {"d": [UNREADABLE]}),
    "a pipe in its place": Move("mkfifo x; mv x a.json", {"a": [UNREADABLE]}),
    "an empty file": Move(": > a.json", {"a": [UNREADABLE]}),
}


@pytest.mark.parametrize("way", MOVES)
def test_what_is_moved_is_told_once(
    way: str, observer: Observer, store: SessionStore, folder: Path
) -> None:
    move = MOVES[way]
    run("sh", "-ec", move.command, cwd=folder)
    assert observer.told(len(move.told)) == move.told
    assert observer.errors == []
    observer.agree_with_the_log()
    check_the_store_is_right(store, folder)


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("option", ["-f", "-p", "-a"])
def test_a_copy_is_told_once_as_a_new_session(
    option: str, observer: Observer, store: SessionStore, folder: Path
) -> None:
    run("cp", option, "a.json", "d.json", cwd=folder)
    assert observer.told(1) == {"d": [created("old a")]}
    observer.agree_with_the_log()
    check_the_store_is_right(store, folder)


def test_a_link_in_the_place_of_a_session_is_told_and_so_is_its_end(
    observer: Observer, store: SessionStore, folder: Path
) -> None:
    run("sh", "-ec", "cp a.json ..; ln -s ../a.json x; mv x a.json", cwd=folder)
    wait_until(lambda: observer.kinds("a") == ["unreadable"])
    unreadable = observer.changes[0].unreadable
    assert unreadable is not None
    assert unreadable.reason == LINK
    assert listed(store)["a"].unreadable == unreadable
    run("sh", "-ec", "mv ../a.json .", cwd=folder)
    assert observer.told(2) == {"a": [UNREADABLE, ("readable", {})]}
    observer.agree_with_the_log()
    check_the_store_is_right(store, folder)


NOTHINGS = {
    "touch": "touch *.json",
    "touch, long ago": "touch -d 2001-01-01 *.json",
    "touch, years to come": "touch -d 2099-01-01 *.json",
    "chmod": "chmod 444 *.json; chmod 640 a.json; chmod 755 b.json",
    "linked elsewhere": "ln a.json ../a; ln b.json b.txt; rm b.txt",
    "replaced by itself": "cp -p a.json x; mv x a.json",
    "sed that finds nothing": "sed -i s/nowhere/x/ *.json",
    "rsync of the same": "mkdir ../r; cp -p *.json ../r; rsync -a --ignore-times ../r/ .",
    "rsync that is content with size and time": (
        "mkdir ../r; for f in *.json; do sed s/old/new/ $f > ../r/$f; touch -r $f ../r/$f; done;"
        " rsync -a ../r/ ."
    ),
    "other files": "echo {} > a.txt; echo {} > .b.json; echo {} > a.json~; mkdir d; rm a.json~",
}


@pytest.mark.parametrize("way", NOTHINGS)
def test_what_changes_no_content_is_not_told(
    way: str, observer: Observer, store: SessionStore, folder: Path
) -> None:
    if "rsync" in NOTHINGS[way]:
        run("rsync", "--version")
    run("sh", "-ec", NOTHINGS[way], cwd=folder)
    assert observer.told(0) == {}
    assert observer.errors == []
    observer.agree_with_the_log()
    check_the_store_is_right(store, folder)


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("way", REPLAYED)
def test_a_save_without_an_edit_is_not_told(
    way: str, observer: Observer, store: SessionStore, folder: Path
) -> None:
    path = folder / "a.json"
    REPLAYED[way](path, path.read_bytes())
    assert observer.told(0) == {}
    observer.agree_with_the_log()
    check_the_store_is_right(store, folder)


# -- seen half-way -------------------------------------------------------------------------------

SLOW_SAVE = """
import os, sys, time
path = sys.argv[1]
data = open(path, "rb").read().replace(b"old ", b"new ")
began = time.monotonic()
file = os.open(path, os.O_WRONLY | os.O_TRUNC)
for at in range(len(data)):
    os.write(file, data[at : at + 1])
    if time.monotonic() - began < 0.25:
        time.sleep(0.002)
os.close(file)
"""
PAUSING_SAVE = """
import os, sys
path = sys.argv[1]
data = open(path, "rb").read().replace(b"old ", b"new ")
file = os.open(path, os.O_WRONLY | os.O_TRUNC)
os.write(file, data[:100])
print("half", flush=True)
sys.stdin.readline()
os.write(file, data[100:])
os.close(file)
"""


@pytest.mark.usefixtures("unhurried")
def test_a_save_that_goes_on_is_told_when_it_is_done(
    observer: Observer, store: SessionStore, folder: Path
) -> None:
    """For a quarter of a second the file is torn at every look, but never at rest."""
    subprocess.run([sys.executable, "-c", SLOW_SAVE, str(folder / "a.json")], check=True)
    assert observer.told(1) == {"a": [("modified", {"title": ("old a", "new a")})]}
    observer.agree_with_the_log()
    check_the_store_is_right(store, folder)


def test_a_save_that_stops_half_way_is_told_and_so_is_its_end(
    observer: Observer, store: SessionStore, folder: Path
) -> None:
    command = [sys.executable, "-c", PAUSING_SAVE, str(folder / "a.json")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as saver:
        assert saver.stdout is not None
        assert saver.stdout.readline() == b"half\n"
        wait_until(lambda: observer.kinds("a") == ["unreadable"])
        observer.mark()
        torn = observer.changes[0]
        assert (torn.origin, torn.changed) == ("external", {})
        assert torn.unreadable is not None
        assert torn.unreadable.line is not None
        assert listed(store)["a"].unreadable == torn.unreadable
        saver.communicate(b"\n")
    wait_until(lambda: len(observer.kinds("a")) == 2)
    assert observer.told(2) == {
        "a": [UNREADABLE, ("readable", {"title": ("old a", "new a")})],
    }
    observer.agree_with_the_log()
    check_the_store_is_right(store, folder)


# -- the whole folder ----------------------------------------------------------------------------


def edited_copy(folder: Path, other: Path) -> None:
    """A copy of everything, its index too, in which something was edited."""
    # Without what is being written just now.
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("*.part"))
    run("sh", "-ec", "sed -i 's/old /new /' a.json; rm b.json; cp -p c.json d.json", cwd=other)


def bare_copy(folder: Path, other: Path) -> None:
    """The session files alone, edited."""
    edited_copy(folder, other)
    shutil.rmtree(other / ".localsessions")


def strange_folder(folder: Path, other: Path) -> None:
    """A folder with an index of its own, which has nothing to do with ours."""
    with SessionStore(other) as store:
        store.create("a", title="new a")
        store.create("d", title="new d")


OTHERS: dict[str, Callable[[Path, Path], None]] = {
    act.__name__: act for act in (edited_copy, bare_copy, strange_folder)
}
EDITED_COPY: Told = {
    "a": [("modified", {"title": ("old a", "new a")})],
    "b": [DELETED],
    "d": [created("old c")],
}


@pytest.mark.parametrize("way", OTHERS)
def test_another_folder_in_its_place_is_told_exactly_or_has_to_be_listed(
    way: str, observer: Observer, store: SessionStore, folder: Path
) -> None:
    other = folder.parent / "other"
    OTHERS[way](folder, other)
    run("sh", "-ec", "mv sessions away; mv other sessions", cwd=folder.parent)
    wait_until(lambda: observer.errors or len(observer.changes) >= 3)
    observer.mark()
    if observer.errors:
        assert [type(error) for error in observer.errors] == [ChangesExpiredError]
        assert all(one.session_id == "mark1" for one in observer.changes)
    else:
        assert observer.told(3) == EDITED_COPY
    assert store.stats().watcher == "events"
    kept = {"a", "d", "mark1"} if way == "strange_folder" else {"a", "c", "d", "mark1"}
    assert kept <= set(listed(store)) <= kept | {"mark2"}

    before = len(observer.changes)
    run("sed", "-i", "s/new /newer /", folder / "a.json")
    wait_until(lambda: len(observer.changes) > before)
    (change,) = observer.changes[before:]
    assert (change.session_id, change.kind) == ("a", "modified")
    assert change.changed == {"title": ("new a", "newer a")}
    check_the_store_is_right(store, folder)


def test_a_folder_that_comes_back_is_told_exactly_or_has_to_be_listed(
    observer: Observer, store: SessionStore, folder: Path
) -> None:
    strange_folder(folder, folder.parent / "other")
    run("sh", "-ec", "mv sessions away; mv other sessions", cwd=folder.parent)
    wait_until(lambda: observer.errors)
    run("sh", "-ec", "mv sessions other; mv away sessions", cwd=folder.parent)
    wait_until(lambda: set(listed(store)) == {"a", "b", "c"})
    wait_until(lambda: len(observer.errors) == 2)
    assert [type(error) for error in observer.errors] == [ChangesExpiredError] * 2
    assert observer.told(0) == {}
    check_the_store_is_right(store, folder)
