"""What a person is told when something fails: what, where and what to type, in no other words."""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from localsessions import (
    AmbiguousReferenceError,
    ChangesExpiredError,
    ConflictError,
    DurabilityUnknownError,
    FormatVersionError,
    LockTimeoutError,
    SessionExistsError,
    SessionNotFoundError,
    SessionSummary,
    UnreadableSessionError,
    UnstorableValueError,
)
from localsessions.cli.exits import ExitCode, exit_code_of
from localsessions.cli.words import message_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cli

HOLD = Path(__file__).resolve().parent.parent / "programs" / "hold.py"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
THEN = SessionSummary(
    session_id="s", created_at=NOW, last_activity=NOW, updated_at=NOW, revision=3, message_count=7
)
SINCE = THEN.model_copy(update={"revision": 5, "message_count": 9})

# What speaks to a program: calls, arguments, numbers of the system, files that are gone again.
OF_PYTHON = re.compile(
    r"\w\(\)|\w+=|lock_timeout|session_id|max_file_bytes|max_age|ttl of|Errno|None|\.tmp\b|<=x"
)


def system(number: int, path: str | None = "/f") -> OSError:
    return OSError(number, os.strerror(number), path)


WHERE_TO_LOOK = (
    "to see what is there: localsessions list; what was deleted: localsessions restore --list"
)
SENTENCES: list[tuple[Exception, ExitCode, str]] = [
    (
        SessionNotFoundError("s", path="/d"),
        ExitCode.NOT_FOUND,
        f"there is no session 's' in /d; {WHERE_TO_LOOK}",
    ),
    (
        SessionNotFoundError("s", what="a deleted session"),
        ExitCode.NOT_FOUND,
        "there is no deleted session 's'; what was deleted: localsessions restore --list",
    ),
    (
        SessionNotFoundError("x" * 300),
        ExitCode.NOT_FOUND,
        f"there is no session '{'x' * 79}…'; {WHERE_TO_LOOK}",
    ),
    (
        AmbiguousReferenceError("Fix", ()),
        ExitCode.USAGE,
        "'Fix' fits more than one session; give more of the id of one",
    ),
    (
        SessionExistsError("s", path="/d/s.json"),
        ExitCode.CONFLICT,
        (
            "session 's' is there already; choose another id, or move that one to the trash: "
            "localsessions delete s"
        ),
    ),
    (
        SessionExistsError("S", existing="s"),
        ExitCode.CONFLICT,
        (
            "session 'S' would share one file with 's' on systems that do not tell letter case or "
            "Unicode forms apart; choose another id"
        ),
    ),
    (
        ConflictError("s", expected=THEN, found=SINCE),
        ExitCode.CONFLICT,
        (
            "session 's' was changed by someone else meanwhile (it had 7 messages, and has 9 now); "
            "nothing was written: do it again"
        ),
    ),
    (
        ConflictError("s", expected=THEN, found=SINCE, conflicts=("title",)),
        ExitCode.CONFLICT,
        (
            "session 's' was changed by someone else meanwhile, in title too; nothing was written: "
            "do it again"
        ),
    ),
    (
        ConflictError("s", expected=THEN),
        ExitCode.CONFLICT,
        (
            "session 's' was deleted meanwhile; nothing was written: to bring it back: "
            "localsessions restore s"
        ),
    ),
    (
        ConflictError("s", found=SINCE),
        ExitCode.CONFLICT,
        "session 's' was made by someone else meanwhile; nothing was written: do it again",
    ),
    (
        UnreadableSessionError("s", "it is torn", path="/d/s.json", line=3, column=14),
        ExitCode.UNREADABLE,
        (
            "session 's' cannot be read at line 3, column 14: it is torn (/d/s.json); nothing here "
            "changes the file: mend it, or see what can be recovered: localsessions verify"
        ),
    ),
    (
        UnreadableSessionError("s", "it is huge; open the store with a larger max_file_bytes"),
        ExitCode.UNREADABLE,
        (
            "session 's' cannot be read: it is huge; nothing here changes the file: mend it, or "
            "see what can be recovered: localsessions verify"
        ),
    ),
    (
        FormatVersionError("s", "localsessions/9", "localsessions/1"),
        ExitCode.UNREADABLE,
        (
            "session 's' is of the format localsessions/9, and this version writes "
            "localsessions/1; nothing was written: pip install --upgrade localsessions"
        ),
    ),
    (
        LockTimeoutError(10, session_id="s", path="/d/7f", holder="python ide.py (pid 123)"),
        ExitCode.CONFLICT,
        (
            "session 's' is locked by python ide.py (pid 123), and was for 10 s; nothing was "
            "written: try again when that is done"
        ),
    ),
    (
        LockTimeoutError(10, session_id="s", path="/d/7f"),
        ExitCode.CONFLICT,
        (
            "session 's' is locked by another process, and was for 10 s; nothing was written: try "
            "again when that is done"
        ),
    ),
    (
        DurabilityUnknownError(OSError(5, "x"), session_id="s", path="/p"),
        ExitCode.SYSTEM,
        (
            "session 's' was written and is visible, but syncing /p failed (x): after a power cut "
            "the former content may come back; check the disk and do it again"
        ),
    ),
    (
        UnstorableValueError("metadata.a", "JSON has no nan"),
        ExitCode.USAGE,
        "metadata.a cannot be stored without loss: JSON has no nan; nothing was written",
    ),
    (
        ChangesExpiredError(5, path="/d"),
        ExitCode.NOT_FOUND,
        (
            "what changed since 5 is not known any more: the index was rebuilt, or too much "
            "happened since; to begin with now: leave out --since"
        ),
    ),
    (
        system(errno.ENOSPC),
        ExitCode.SYSTEM,
        "no space is left on the disk: /f; make room and do it again",
    ),
    (
        system(errno.ENOSPC, os.path.join(os.sep, "d", ".localsessions", "tmp", "7f-00.tmp")),
        ExitCode.SYSTEM,
        f"no space is left on the disk: {os.sep}d; make room and do it again",
    ),
    (
        system(errno.EROFS),
        ExitCode.SYSTEM,
        "this place is read-only: /f; choose another place",
    ),
    (
        PermissionError(errno.EROFS, "the session folder is read-only", "/d"),
        ExitCode.SYSTEM,
        (
            "the session folder is read-only: /d; allow yourself to write there, or choose another "
            "folder with --dir"
        ),
    ),
    (
        system(errno.EACCES),
        ExitCode.SYSTEM,
        "you have no permission: /f; ask its owner, or choose another place",
    ),
    (
        system(errno.EMFILE),
        ExitCode.SYSTEM,
        "too many files are open; allow this shell more of them: ulimit -n 1024",
    ),
    (
        system(errno.EIO, None),
        ExitCode.SYSTEM,
        "the disk failed; look after it, and do it again",
    ),
    (
        OSError(errno.EXDEV, "it is far away"),
        ExitCode.SYSTEM,
        "it is far away",
    ),
    (OSError("no number"), ExitCode.SYSTEM, "no number"),
]


@pytest.mark.parametrize(
    ("error", "code", "sentence"), SENTENCES, ids=[type(one).__name__ for one, _, _ in SENTENCES]
)
def test_each_error_is_said_with_a_remedy_and_ends_with_its_code(
    error: Exception, code: ExitCode, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    assert message_of(error) == sentence
    assert exit_code_of(fail) == code
    assert capsys.readouterr().err.splitlines()[0] == f"error: {sentence}"
    assert OF_PYTHON.search(sentence) is None


# What a person types, the exit code, and what is said; of some only the beginning.
TYPED: list[tuple[list[str], int, str]] = [
    (["show", "nothing"], 3, "there is no session 'nothing' in {d}; to see what is there: "),
    (["show", ""], 2, "Invalid value for 'SESSION': the name of a session is empty; see "),
    (["show", "a/b"], 3, "there is no session 'a/b' in {d}; "),
    (["show", "Hook fix"], 2, "'Hook fix' fits more than one session; give more of the id of one"),
    (["show", "torn"], 5, "session 'torn' cannot be read at line 2, column 1: "),
    (["rename", "newer", "T"], 5, "session 'newer' is of the format localsessions/9, and "),
    (["new", "--id", "hook-1"], 4, "session 'hook-1' is there already; choose another id, or "),
    (["new", "--id", "a/b"], 2, "the id 'a/b' holds '/'; use a name that one file can have"),
    (["new", "--id", ""], 2, "the id '' is no name of a file; use a name that one file can have"),
    (["new", "--id", "x" * 300], 2, "the id has 300 bytes, which is longer than 200; use "),
    (["new", "--ttl", "soon"], 2, "Invalid value for '--ttl': 'soon' is no age: give a number "),
    (
        ["fork", "hook-1", "--at", "x"],
        3,
        "session 'hook-1' has no message of the id 'x'; to see them",
    ),
    (
        ["fork", "hook-1", "--at", "9"],
        3,
        "session 'hook-1' has 0 messages, none has the number '9'; ",
    ),
    (["show", "hook-1", "--force"], 2, "--force needs --save-images, the folder to write into"),
    (["list", "--cursor", "x"], 2, "--cursor 'x' is none that 'list' gave"),
    (["list", "--since", "soonish"], 2, "Invalid value for '--since': 'soonish' is no time: give "),
    (["list", "--limit", "x"], 2, "Invalid value for '--limit' / '-n': 'x' is no whole number; "),
    (["list", "--limit", "0"], 2, "Invalid value for '--limit' / '-n': 0 is not from 1 to "),
    (["history", "hook-1", "-n", "-1"], 2, "Invalid value for '--messages' / '-n': -1 is less "),
    (["list", "--lim", "5"], 2, "there is no option '--lim'; did you mean '--limit'? See "),
    (["list", "--sinse", "2d"], 2, "there is no option '--sinse'; did you mean '--since'? See "),
    (["list", "--zzzzz"], 2, "there is no option '--zzzzz'; see 'localsessions list --help'"),
    (["lsit"], 2, "there is no command 'lsit'; did you mean 'list'? See 'localsessions --help'"),
    (["re"], 2, "there is no command 're'"),
    (["serach", "x"], 2, "there is no command 'serach'; did you mean 'search'? See "),
    (["import", "{d}/none"], 3, "there is no such file or folder: {d}/none"),
    (["export", "hook-1", "-o", "{d}/none/x.md"], 3, "the folder {d}/none is not there; make it, "),
    (["export", "hook-1", "-o", "{d}"], 4, "{d} is there already; --force overwrites it"),
    (["export", "--all", "-o", "{d}/torn.json"], 4, "there is something of this name already: "),
    (["export", "hook-1", "--redact-patterns", "{d}/none"], 3, "there is no such file or folder: "),
    (["export", "hook-1", "--redact-patterns", "{d}/torn.json"], 2, "{d}/torn.json, line 1: "),
    (["restore", "nothing"], 3, "there is no deleted session 'nothing'; what was deleted: "),
    (["watch", "--since", "99"], 3, "what happened since 99 is not known: the index was rebuilt"),
    (["--dir", "{d}/none", "list"], 3, "there is no folder of sessions at {d}/none: 'new' and "),
    (["--dir", "{d}/torn.json", "list"], 6, "a file has the name of the folder: {d}/torn.json; "),
]


@pytest.mark.parametrize(("arguments", "code", "told"), TYPED, ids=lambda value: str(value)[:40])
def test_what_a_person_types_wrongly_is_said_in_one_sentence(
    cli: Cli, arguments: list[str], code: int, told: str
) -> None:
    for name in ("hook-1", "hook-2"):
        cli.add(name, title="Hook fix")
    cli.write("torn", "{\n")
    cli.write("newer", '{"format": "localsessions/9", "messages": []}')
    folder = str(cli.folder)
    result = cli(
        *(one.replace("{d}/", f"{folder}{os.sep}").replace("{d}", folder) for one in arguments)
    )
    wanted = told.replace("{d}/", f"{folder}{os.sep}").replace("{d}", folder)
    first, *others = result.stderr.splitlines()
    assert (result.exit_code, first[: len(wanted) + 7]) == (code, f"error: {wanted}")
    assert (result.stdout, len(others)) == ("", 2 if "fits more" in told else 0)
    assert OF_PYTHON.search(result.stderr) is None


def test_an_index_that_is_a_file_is_said(cli: Cli) -> None:
    cli.folder.mkdir()
    (cli.folder / ".localsessions").write_text("")
    result = cli("new", "--id", "s")
    assert (result.exit_code, result.stdout) == (6, "")
    assert "move the file away" in result.stderr


@pytest.mark.needs("fifos")
def test_a_full_disk_names_no_file_that_nobody_knows(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cli.add("s", "text")

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    result = cli("export", "s", "-o", str(tmp_path / "x.md"))
    assert result.exit_code == 6
    assert result.stderr == (
        f"error: no space is left on the disk: {tmp_path / 'x.md'}; make room and do it again\n"
    )
    assert not list(tmp_path.glob("*.tmp"))


# remedies that can be pasted


@pytest.mark.needs("names of bytes")
@pytest.mark.parametrize("name", ["-x", "--all", "$(touch x)", "a'b; touch x", "a b", "`x`"])
def test_a_command_to_type_means_its_session_and_nothing_else(cli: Cli, name: str) -> None:
    cli.add(name, "hello")
    result = cli("fork", "--at", "99", "--", name)
    line = result.stderr.strip().partition("to see them: ")[2]
    program, *words = shlex.split(line)
    assert (result.exit_code, program) == (3, "localsessions")
    assert cli(*words).stdout.rstrip().endswith("hello")


def test_a_command_to_type_names_the_folder_in_use(cli: Cli) -> None:
    cli.add("s", "hello")
    result = cli(
        "--dir", str(cli.folder), "fork", "s", "--at", "none", env={"LOCALSESSIONS_DIR": ""}
    )
    assert f"to see them: localsessions --dir {cli.folder} history s" in result.stderr


# two sessions that a name fits


def test_sessions_that_a_name_fits_have_their_title_and_age(cli: Cli) -> None:
    now = datetime.now(UTC)
    for number, hours in enumerate((2, 50)):
        with cli.store() as store:
            session = store.create(f"hook-{number}", title="Hook \x1b[31mfix")
            session.last_activity = now - timedelta(hours=hours)
            store.save(session)
    result = cli("show", "hook")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[1:] == [
        "  Hook \\x1b[31mfix  2 h ago  hook-0",
        "  Hook \\x1b[31mfix  2 d ago  hook-1",
    ]


def test_where_ages_are_alike_the_time_tells_sessions_apart(cli: Cli) -> None:
    for name in ("hook-1", "hook-2"):
        cli.add(name)
    candidates = cli("path", "hook").stderr.splitlines()[1:]
    assert all(re.search(r"  \d{4}-\d\d-\d\d \d\d:\d\d  hook-\d$", line) for line in candidates)


@pytest.mark.parametrize(
    "command", ["show", "history", "export", "path", "pin", "archive", "fork", "edit", "resume"]
)
def test_every_command_shows_the_sessions_that_a_name_fits(cli: Cli, command: str) -> None:
    for name in ("hook-1", "hook-2"):
        cli.add(name, title="Hook fix")
    result = cli(command, "Hook fix")
    assert result.exit_code == 2
    assert [line.split()[-1] for line in result.stderr.splitlines()[1:]] == ["hook-1", "hook-2"]


def test_of_many_some_are_shown(cli: Cli) -> None:
    for number in range(8):
        cli.add(f"hook-{number}")
    *shown, last = cli("show", "hook").stderr.splitlines()[1:]
    assert (len(shown), last) == (5, "  and more")


def test_deleted_sessions_have_their_title_too(cli: Cli) -> None:
    for name in ("hook-1", "hook-2"):
        cli.add(name, title="Hook fix")
    cli("delete", "hook-1", "hook-2", "--yes")
    for reference in ("hook", "Hook fix"):
        result = cli("restore", reference)
        assert result.exit_code == 2
        lines = result.stderr.splitlines()[1:]
        assert all(line.startswith("  Hook fix  ") for line in lines)
        assert sorted(line.split()[-1] for line in lines) == ["hook-1", "hook-2"]


# a lock that is held


@pytest.fixture
def holder(cli: Cli) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the lock of a session until it gets a line."""
    cli.add("s", "text")
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, str(HOLD), str(cli.folder), "s"], **streams) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        yield process
        process.kill()


def told_of(holder: subprocess.Popen[bytes]) -> str:
    if sys.platform != "linux":
        return "another process"
    return f"{os.path.basename(sys.executable)} hold.py sessions s (pid {holder.pid})"


@pytest.mark.needs("terminals")
def test_a_wait_for_a_lock_is_told_and_can_be_given_up(
    cli: Cli, holder: subprocess.Popen[bytes]
) -> None:
    waiting = "Ctrl-C gives up"
    code, shown = cli.terminal("rename", "s", "T", answers={waiting: signal.SIGINT}, columns=200)
    assert code == 130
    told = f"waiting for the lock of session 's', held by {told_of(holder)}; {waiting}\n"
    assert shown.count(told) == 1
    assert "nothing was lost" in shown


@pytest.mark.needs("terminals")
def test_a_wait_for_a_lock_ends_when_it_is_free(cli: Cli, holder: subprocess.Popen[bytes]) -> None:
    def let_go() -> str:
        assert holder.stdin is not None
        holder.stdin.write(b"held\n")
        holder.stdin.flush()
        return ""

    code, shown = cli.terminal("rename", "s", "T", answers={"gives up": let_go}, columns=200)
    assert (code, "s: title: T" in shown) == (0, True)


def test_a_lock_that_stays_held_ends_with_4_and_says_by_whom(
    cli: Cli, holder: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from localsessions import store

    class Impatient(store.SessionStore):
        def __init__(self, folder: str) -> None:
            super().__init__(folder, lock_timeout=0.6)

    monkeypatch.setattr(store, "SessionStore", Impatient)
    result = cli("rename", "s", "T")
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == (  # and no line of the wait: nobody sits there
        f"error: session 's' is locked by {told_of(holder)}, and was for 0.6 s; nothing was "
        "written: try again when that is done\n"
    )


# what the library logs


def test_a_warning_of_the_library_is_made_safe(cli: Cli) -> None:
    cli.add("s")
    index = cli.folder / ".localsessions" / "index.sqlite3"
    for path in cli.folder.glob(".localsessions/index.sqlite3*"):
        path.unlink()
    index.mkdir()
    (index / "x").write_text("")
    result = cli("show", "s")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: index ")
