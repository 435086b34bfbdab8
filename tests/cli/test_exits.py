"""Exit codes, the folder that is meant, and what the whole program promises."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from killing import interrupt

from localsessions import (
    ChangesExpiredError,
    ConflictError,
    DurabilityUnknownError,
    FormatVersionError,
    LockTimeoutError,
    NotOwnerError,
    SessionError,
    SessionExistsError,
    SessionLimitError,
    SessionNotFoundError,
    UnreadableSessionError,
    UnstorableValueError,
)
from localsessions.cli import program, run
from localsessions.cli.exits import ExitCode, exit_code_of

from .conftest import interruptible, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cli

READING = [
    ["list"],
    ["show", "s"],
    ["history", "s"],
    ["search", "s"],
    ["stats"],
    ["watch"],
    ["verify"],
    ["reindex"],
    ["export", "s"],
    ["path", "s"],
    ["delete", "s", "--yes"],
    ["restore", "s"],
    ["cleanup", "--expired", "--yes"],
    ["append", "s", "--role", "user", "text"],
    ["rename", "s", "T"],
    ["tag", "s", "+t"],
    ["pin", "s"],
    ["archive", "s"],
    ["fork", "s"],
    ["edit", "s"],
    ["backup", "-"],
    ["mv", "s", "--to", "elsewhere"],
    ["resume", "s"],
]

COMMANDS = [
    *("append", "archive", "backup", "cleanup", "completion", "copy", "count", "delete", "edit"),
    *("export", "fork", "help", "history", "import", "list", "mcp", "mv", "new", "path", "pin"),
    *("reindex", "rename", "restore", "restore-backup", "resume", "search", "serve", "show"),
    *("stats", "tag", "verify", "watch"),
]


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_a_folder_that_is_not_there_ends_with_3_and_is_not_made(
    cli: Cli, command: list[str]
) -> None:
    result = cli(*command)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(f"error: there is no folder of sessions at {cli.folder}: ")
    assert not cli.folder.exists()


@pytest.mark.parametrize("command", [["list"], ["new"]])
def test_a_file_in_the_place_of_the_folder_ends_with_6(cli: Cli, command: list[str]) -> None:
    cli.folder.write_text("")
    result = cli(*command)
    assert (result.exit_code, result.stdout) == (6, "")
    assert str(cli.folder) in result.stderr
    assert result.stderr.count("\n") == 1


def test_dir_stands_before_or_after_the_command_and_goes_before_the_environment(
    cli: Cli, tmp_path: Path
) -> None:
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    assert cli("--dir", first, "path").stdout == f"{first}\n"
    assert cli("path", "--dir", first).stdout == f"{first}\n"
    assert cli("--dir", first, "path", "--dir", second).stdout == f"{second}\n"
    assert cli("path").stdout == f"{cli.folder}\n"


def test_without_any_the_folder_is_in_the_users_data(cli: Cli, tmp_path: Path) -> None:
    env = {"LOCALSESSIONS_DIR": "", "XDG_DATA_HOME": str(tmp_path)}
    result = cli("path", env=env)
    if sys.platform == "linux":
        assert result.stdout == f"{tmp_path / 'localsessions'}\n"


def test_an_empty_dir_is_refused(cli: Cli) -> None:
    result = cli("--dir", "", "new")
    assert result.exit_code == 2
    assert "the name of the folder is empty" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "there is no command 'nothing'; see 'localsessions --help'"),
        (["list", "--nothing"], "there is no option '--nothing'; see"),
        (["show"], "Missing argument 'SESSION'; see 'localsessions show --help'"),
        (["--nothing"], "there is no option '--nothing'; see"),
        (["list", "--limit", "0"], "0 is not from 1 to 1000000; see"),
    ],
)
def test_misuse_ends_with_2_and_one_line(cli: Cli, arguments: list[str], message: str) -> None:
    result = cli(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SessionNotFoundError("s"), ExitCode.NOT_FOUND),
        (ChangesExpiredError(5), ExitCode.NOT_FOUND),
        (ConflictError("s"), ExitCode.CONFLICT),
        (LockTimeoutError(10, session_id="s"), ExitCode.CONFLICT),
        (SessionExistsError("s"), ExitCode.CONFLICT),
        (UnreadableSessionError("s", "torn"), ExitCode.UNREADABLE),
        (DurabilityUnknownError(OSError(5, "x"), path="/p"), ExitCode.SYSTEM),
        (UnstorableValueError("x", "y"), ExitCode.USAGE),
        (FormatVersionError("s", "localsessions/9", "localsessions/1"), ExitCode.UNREADABLE),
        (SessionLimitError(3), ExitCode.CONFLICT),
        (NotOwnerError("s", "ann"), ExitCode.CONFLICT),
        (SessionError("x"), ExitCode.SYSTEM),
        (PermissionError(13, "Permission denied", "/p"), ExitCode.SYSTEM),
        (OSError("no number"), ExitCode.SYSTEM),
        (ValueError("misuse"), ExitCode.USAGE),
        (LookupError("no such message"), ExitCode.NOT_FOUND),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (BrokenPipeError(32, "Broken pipe"), ExitCode.BROKEN_PIPE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_error_has_its_exit_code(error: BaseException, code: ExitCode) -> None:
    def fail() -> None:
        raise error

    assert exit_code_of(fail) == code


@pytest.mark.parametrize("error", [KeyError("bug"), UnicodeError("bug"), TypeError("bug")])
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        exit_code_of(fail)


def test_an_error_of_the_system_says_what_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise PermissionError(13, "Permission denied", "/a\n\x1b")

    exit_code_of(fail)
    assert capsys.readouterr().err == (
        "error: you have no permission: /a \\x1b; ask its owner, or choose another place\n"
    )


def test_run_returns_the_exit_code(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--dir", str(cli.folder), "new", "--id", "s"]) == 0
    assert run(["--dir", str(cli.folder), "show", "t"]) == 3
    assert capsys.readouterr().out == "s\n"


def test_without_arguments_it_lists_where_there_is_no_terminal(cli: Cli) -> None:
    assert cli.process().returncode == 3
    cli.add("session-1")
    result = cli.process()
    assert (result.returncode, result.stdout.split(b"\t")[0]) == (0, b"session-1")


def test_the_help_groups_the_commands_by_task(cli: Cli) -> None:
    result = cli.process("--help")
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"\nTo find and read:\n  list " in result.stdout


@pytest.mark.parametrize("name", ["", *sorted(program.commands)])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_a_help(cli: Cli, name: str, option: str) -> None:
    result = cli(*([name] if name else []), option)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "--dir FOLDER" in result.stdout


def test_the_commands_are_these() -> None:
    assert sorted(program.commands) == COMMANDS


# real processes


def test_the_module_runs_as_a_program(cli: Cli) -> None:
    made = cli.process("new", "--id", "s", "--json")
    assert (made.returncode, made.stderr) == (0, b"")
    assert json.loads(made.stdout)["items"][0]["session_id"] == "s"


def test_the_version_is_shown_without_rich_and_without_a_store(cli: Cli) -> None:
    script = (
        "import sys\n"
        "from localsessions.__main__ import main\n"
        "sys.argv = ['localsessions', '--version']\n"
        "code = main()\n"
        "loaded = {'rich', 'platformdirs', 'sqlite3.dbapi2'} & set(sys.modules)\n"
        "sys.exit(f'{code} {loaded}' if code or 'rich' in loaded else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=os.environ)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"localsessions, version ")


@pytest.mark.parametrize(
    ("missing", "arguments"),
    [
        ("click", ["--version"]),
        ("dateparser", ["list", "--since", "last week"]),
        ("platformdirs", ["path"]),
    ],
)
def test_a_missing_extra_is_one_line_with_the_pip_line(
    cli: Cli, missing: str, arguments: list[str]
) -> None:
    cli.add("s")
    script = (
        "import sys\n"
        f"sys.modules[{missing!r}] = None\n"
        "from localsessions.__main__ import main\n"
        f"sys.argv = ['localsessions', *{arguments!r}]\n"
        "sys.exit(main())\n"
    )
    folder = "" if missing == "platformdirs" else str(cli.folder)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env={**os.environ, "LOCALSESSIONS_DIR": folder},
    )
    assert (done.returncode, done.stdout) == (6, b"")
    assert text_of(done.stderr) == (
        f"error: the command line needs {missing}: pip install 'localsessions[cli]'\n"
    )


@pytest.mark.usefixtures("cli")  # for the signal handler that it sets
@pytest.mark.parametrize(("ends", "code"), [("0", 0), ("signal.raise_signal(signal.SIGINT)", 130)])
def test_ctrl_c_while_python_ends_changes_nothing(ends: str, code: int) -> None:
    script = (
        "import atexit, signal, sys\n"
        "import localsessions.cli\n"
        "from localsessions.__main__ import main\n"
        f"localsessions.cli.run = lambda _: {ends}\n"
        "atexit.register(signal.raise_signal, signal.SIGINT)\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=os.environ)
    assert (done.returncode, done.stderr) == (code, b"")


def test_another_missing_module_is_a_bug_with_a_traceback() -> None:
    script = (
        "import sys\n"
        "sys.modules['localsessions.cli'] = None\n"
        "from localsessions.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=os.environ)
    assert done.returncode == 1
    assert b"Traceback" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_error(cli: Cli, unbuffered: str) -> None:
    cli.folder.mkdir()
    for number in range(300):
        cli.write(f"{number:03}{'x' * 190}", '{"messages": []}')
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = cli.start("list", "--all", "--json", env={"PYTHONUNBUFFERED": unbuffered}, **streams)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(1) == b"{"
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(120) == 141


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_takes_no_more_ends_with_6(cli: Cli, unbuffered: str) -> None:
    cli.add("s", "x" * 200_000)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    result = cli.process("export", "s", stdout=writing, env={"PYTHONUNBUFFERED": unbuffered})
    os.close(reading)
    os.close(writing)
    assert result.returncode == 6
    assert result.stderr.startswith(b"error: ")


@pytest.mark.needs("fifos")
def test_no_space_for_the_output_ends_with_1(cli: Cli) -> None:
    cli.add("s")
    with open("/dev/full", "wb") as full:
        result = cli.process("list", stdout=full)
    assert (result.returncode, result.stderr) == (
        6,
        b"error: no space is left on the disk; make room and do it again\n",
    )


@pytest.mark.needs("bash")
def test_closed_streams_are_no_error(cli: Cli) -> None:
    cli.add("s")
    command = f"{sys.executable} -m localsessions list >&- 2>&-"
    done = subprocess.run(["sh", "-c", command], env={**os.environ, **cli.env}, check=False)
    assert done.returncode == 0


@pytest.mark.needs("terminals")
def test_ctrl_c_ends_with_130_and_says_that_nothing_was_lost(cli: Cli) -> None:
    cli.add("s", title="T")
    before = (cli.folder / "s.json").read_bytes()
    prompt = "Ctrl-D on a line of its own ends it"
    code, shown = cli.terminal(
        "append", "s", "--role", "user", answers={prompt: signal.SIGINT}, columns=200
    )
    assert code == 130
    assert shown.endswith("\ninterrupted; nothing was lost: what was finished is stored\n")
    assert (cli.folder / "s.json").read_bytes() == before


def test_ctrl_c_in_an_import_leaves_whole_sessions_and_it_can_go_on(
    cli: Cli, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(1000):
        text = json.dumps({"messages": [{"role": "user", "content": f"text {number}"}]})
        (source / f"{number}.json").write_text(text)
    process = subprocess.Popen(
        interruptible("import", str(source)),
        env={**os.environ, **cli.env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not list(cli.folder.glob("*.json")):
        assert process.poll() is None
    interrupt(process)
    shown, error = process.communicate(timeout=120)
    assert (process.returncode, shown) == (130, b"")
    assert text_of(error).startswith("\ninterrupted; nothing was lost")
    stored = [json.loads(path.read_bytes()) for path in cli.folder.glob("*.json")]
    assert 0 < len(stored) < 1000
    document = cli.json("import", str(source))
    assert document["total"]["unchanged"] == len(stored)
    assert len(cli.json("list", "--all")["items"]) == 1000


def test_two_terminals_at_once_lose_nothing(cli: Cli) -> None:
    cli.add("s")
    processes = [
        cli.start("append", "s", "--role", "user", f"text {number}", stdout=subprocess.DEVNULL)
        for number in range(6)
    ]
    assert [process.wait(120) for process in processes] == [0] * 6
    messages = cli.items("history", "s")
    assert sorted(message["content"] for message in messages) == [f"text {n}" for n in range(6)]


@pytest.mark.needs("modes")
def test_a_folder_that_cannot_be_written_can_be_read() -> None:
    # Not in tmp_path: that is root's alone, and root may write everywhere.
    with TemporaryDirectory() as folder, unprivileged(Path(folder)) as cli:
        listed = cli("list", "--json")
        renamed = cli("rename", "s", "T")
    assert json.loads(listed.stdout)["items"][0]["message_count"] == 1
    assert (renamed.exit_code, renamed.stdout) == (6, "")
    assert renamed.stderr.startswith("error: the session folder is read-only: ")
    assert renamed.stderr.count("\n") == 1


@pytest.mark.needs("modes")
def test_a_folder_that_cannot_be_read_ends_with_1() -> None:
    with TemporaryDirectory() as folder, unprivileged(Path(folder), mode=0o111) as cli:
        result = cli("list")
    assert (result.exit_code, result.stdout) == (6, "")
    assert result.stderr.startswith("error: you have no permission: ")


@contextmanager
def unprivileged(parent: Path, *, mode: int = 0o555) -> Iterator[Cli]:
    """Give a folder with a session and the rights that ``mode`` says, as somebody but root."""
    from .conftest import Cli

    cli = Cli(parent / "sessions")
    cli.add("s", "text")
    parent.chmod(0o755)
    (cli.folder / "s.json").chmod(0o444)
    cli.folder.chmod(mode)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield cli
    finally:
        if is_root:
            os.seteuid(0)
        cli.folder.chmod(0o700)
