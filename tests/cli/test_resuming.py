"""``resume``: the program of a session, its folder, and what a hostile transcript cannot do."""

from __future__ import annotations

import json
import ntpath
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from localsessions import Session
from localsessions.cli import resuming, trusting

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Cli

UUID = "5a3bb1c8-c3ce-466e-b487-24212cbf1da1"
CODE = 7

# Says how it was started, and ends with a code of its own.
STAND_IN = f"""
import json, os, signal, sys
told = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "pwd": os.environ["PWD"]}}
told["node"] = os.environ["NoDefaultCurrentDirectoryInExePath".upper() if os.name == "nt" else
                          "NoDefaultCurrentDirectoryInExePath"]
print(json.dumps(told))
sys.exit({CODE})
"""


class Home(NamedTuple):
    """A person's machine: a project, a file that a program wrote, and what is on the PATH."""

    cli: Cli
    root: Path
    project: Path
    env: dict[str, str]

    def add(self, project: object, session_id: str = UUID, **fields: Any) -> None:
        source = {"program": "claude-code", "session_id": session_id, "project": project}
        source["file"] = str(self.root / "chat.jsonl")
        with self.cli.store() as store:
            store.save(Session(session_id="s", source={**source, **fields}))

    def install(self, place: Path) -> None:
        """Put a stand-in of Claude Code into a folder."""
        place.mkdir(exist_ok=True)
        if os.name == "nt":
            (place / "stand_in.py").write_text(STAND_IN)
            line = f'@"{sys.executable}" "{place / "stand_in.py"}" %*\r\n'
            (place / "claude.cmd").write_text(line)
        else:
            (place / "claude").write_text(f"#!{sys.executable}\n{STAND_IN}")
            (place / "claude").chmod(0o755)

    def resume(self, *options: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        return self.cli.process("resume", "s", *options, env={**self.env, **env})

    def started(self, *options: str, **env: str) -> Any:
        """Return how the program was started."""
        done = self.resume(*options, **env)
        assert done.returncode == CODE, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def home(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    project = tmp_path / "my 'own' project"
    project.mkdir()
    (tmp_path / "chat.jsonl").write_text("{}")
    env = {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
    env["PATH"] = os.pathsep.join((str(tmp_path / "bin"), os.environ["PATH"]))
    for name in ("PATH", "HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, env[name])
    home = Home(cli, tmp_path, project, env)
    home.install(tmp_path / "bin")
    return home


def test_the_program_is_started_with_its_id_in_its_folder(home: Home) -> None:
    home.add(str(home.project))
    assert home.started("--yes") == {
        "arguments": ["--resume", UUID],
        "folder": str(home.project),
        "pwd": str(home.project),
        "node": "1",
    }


def test_it_is_said_what_is_started(home: Home) -> None:
    home.add(str(home.project))
    told = home.resume("--yes").stderr.decode()
    assert told == f"starting claude --resume {UUID} in {home.project}\n"


def test_another_folder_is_taken_without_a_question(home: Home, tmp_path: Path) -> None:
    home.add("/gone")
    (tmp_path / "other").mkdir()
    assert home.started("--in", str(tmp_path / "other"))["folder"] == str(tmp_path / "other")


def test_without_a_terminal_nothing_is_started_unasked(home: Home) -> None:
    home.add(str(home.project))
    done = home.resume()
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"there is no terminal to ask whether to start claude in " in done.stderr
    assert b"give --yes" in done.stderr


@pytest.mark.needs("terminals")
def test_a_folder_is_asked_for_once(home: Home, tmp_path: Path) -> None:
    home.add(str(home.project))
    question = "Start claude there? [y/N]: "
    code, shown = home.cli.terminal("resume", "s", answers={question: "n\n"}, env=home.env)
    assert (code, "nothing was started" in shown) == (1, True)
    assert f"The chat was in {home.project}. {question}" in shown
    code, shown = home.cli.terminal("resume", "s", answers={question: "y\n"}, env=home.env)
    assert (code, question in shown) == (CODE, True)
    code, shown = home.cli.terminal("resume", "s", env=home.env)
    assert (code, question in shown) == (CODE, False)
    (kept,) = tmp_path.rglob("trusted-folders.json")
    assert json.loads(kept.read_bytes()) == {"folders": [str(home.project)]}
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.needs("terminals", "links")
def test_a_link_that_leads_elsewhere_is_asked_for_again(home: Home, tmp_path: Path) -> None:
    link, other = tmp_path / "link", tmp_path / "other"
    other.mkdir()
    link.symlink_to(home.project)
    home.add(str(link))
    question = "Start claude there? [y/N]: "
    _, shown = home.cli.terminal("resume", "s", answers={question: "y\n"}, env=home.env)
    assert f"The chat was in {home.project}. " in shown  # where it really starts
    link.unlink()
    link.symlink_to(other)
    code, shown = home.cli.terminal("resume", "s", answers={question: "n\n"}, env=home.env)
    assert (code, f"The chat was in {other}. " in shown) == (1, True)


@pytest.mark.needs("links", "names of bytes")
def test_a_link_to_a_name_with_a_control_character_is_refused(home: Home, tmp_path: Path) -> None:
    (tmp_path / "a\nrm -rf ~").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "a\nrm -rf ~")
    home.add(str(link))
    for option in ("--print", "--yes"):
        result = home.cli("resume", "s", option)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "has a control character" in result.stderr


def test_folders_that_cannot_be_read_are_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "state" / "trusted-folders.json"
    monkeypatch.setattr(trusting, "_path", lambda: str(kept))
    trusting.trust("/b")
    trusting.trust("/a")
    assert json.loads(kept.read_bytes()) == {"folders": ["/a", "/b"]}
    for text in ("{", "[]", '{"folders": 5}', '{"folders": [5, null]}', "\xff"):
        kept.write_text(text, encoding="latin-1")
        assert not trusting.is_trusted("/a")
    kept.unlink()
    kept.mkdir()
    trusting.trust("/a")
    assert "trusted-folders.json cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("project", "told"),
    [
        ("", "the chat does not say in which folder it was"),
        (None, "the chat does not say in which folder it was"),
        (5, "the chat does not say in which folder it was"),
        ("work", "is not a folder on this system"),
        ("../work", "is not a folder on this system"),
        ("~", "is not a folder on this system"),
        ("-x", "is not a folder on this system"),
        ("$(id)", "is not a folder on this system"),
        ("\\\\server\\share", "is not a folder on this system"),
        ("C:\\work" if os.name == "posix" else "/work", "is not a folder on this system"),
        ("{root}/no\nfolder", "has a control character"),
        ("{root}/no\x1b[2Jfolder", "has a control character"),
        ("{root}/nothing", "nothing is not there"),
        ("{root}/nothing\0", "has a control character"),
        ("{root}/; rm -rf ~", "is not there"),
        ("{root}/chat.jsonl", "chat.jsonl is a file"),
    ],
    ids=repr,
)
def test_a_folder_that_is_none_is_said_with_the_remedy(
    home: Home, project: object, told: str
) -> None:
    if isinstance(project, str):
        project = project.replace("{root}", str(home.root))
    home.add(project)
    for option in ("--yes", "--print"):
        result = home.cli("resume", "s", option)
        assert result.exit_code in (2, 3)
        assert told in result.stderr
        assert "localsessions resume s --in FOLDER" in result.stderr
        assert (result.stdout, result.stderr.count("\n"), "\x1b" in result.stderr) == ("", 1, False)


@pytest.mark.parametrize("name", ["$(touch x)", "a;b", "'", '"', "a b", "-x", "é", "%PATH%", "a&b"])
def test_a_printed_command_means_the_folder_to_a_shell(home: Home, name: str) -> None:
    folder = home.root / "p" / name.replace('"', "'" if os.name == "nt" else '"')
    folder.mkdir(parents=True)
    home.add(str(folder))
    result = home.cli("resume", "s", "--print")
    if os.name == "nt" and re.search(r"[%$]", name):
        assert (result.exit_code, result.stdout) == (2, "")
        assert "would act in a shell" in result.stderr
    else:
        assert (result.exit_code, result.stderr) == (0, "")
    if os.name == "posix":
        line = result.stdout
        assert shlex.split(line) == ["cd", str(folder), "&&", "claude", "--resume", UUID]
    elif result.exit_code == 0:
        quoted = str(folder) if name == "-x" else f'"{folder}"'
        assert result.stdout == f"cd /d {quoted} && claude --resume {UUID}\n"
    assert home.started("--yes")["folder"] == str(folder)


def test_printing_needs_no_program_and_starts_none(home: Home) -> None:
    home.add(str(home.project))
    result = home.cli("resume", "s", "--print", env={"PATH": ""})
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith(f"claude --resume {UUID}\n")


@pytest.mark.parametrize("session_id", ["-x", "; rm", f"{UUID}\n", "$(id)", "..", "a&calc"])
def test_a_hostile_id_starts_nothing(home: Home, session_id: str) -> None:
    home.add(str(home.project), session_id)
    result = home.cli("resume", "s", "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "by which claude-code opens no chat" in result.stderr


# the program


def test_a_program_of_the_chats_folder_is_not_started(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.root)
    home.add(str(home.project))
    home.install(home.project)
    path = os.pathsep.join((str(home.project), "", ".", os.path.relpath(home.project)))
    result = home.cli("resume", "s", "--yes", env={"PATH": path})
    assert (result.exit_code, result.stdout) == (3, "")
    assert "claude-code is not here: there is no 'claude' on the PATH" in result.stderr
    assert "to install it: npm install -g @anthropic-ai/claude-code" in result.stderr
    assert "localsessions export s" in result.stderr


def test_a_program_of_the_current_folder_is_not_started(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.add(str(home.project))
    home.install(tmp_path / "here")
    home.install(tmp_path / "here" / "below")
    monkeypatch.chdir(tmp_path / "here")
    path = os.pathsep.join((str(tmp_path / "here"), ".", "", "below"))
    assert home.cli("resume", "s", "--yes", env={"PATH": path}).exit_code == 3


def test_a_file_that_is_no_program_is_passed_over(home: Home, tmp_path: Path) -> None:
    home.add(str(home.project))
    for name in ("claude", "claude.cmd"):
        (tmp_path / "first" / name).mkdir(parents=True)
    if os.name == "posix":
        (tmp_path / "second").mkdir()
        (tmp_path / "second" / "claude").write_text("no program")
    path = os.pathsep.join(map(str, (tmp_path / "first", tmp_path / "second", tmp_path / "bin")))
    assert home.started("--yes", PATH=f"{path}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.needs("bash")
def test_a_program_that_cannot_be_started_is_said(home: Home, tmp_path: Path) -> None:
    home.add(str(home.project))
    (tmp_path / "bin" / "claude").write_text("#!/no/such/interpreter\n")
    done = home.resume("--yes")
    assert done.returncode == 6
    assert b"claude cannot be started in " in done.stderr


@pytest.mark.needs("signals", "bash")
def test_the_program_gets_the_signals_of_a_terminal(home: Home, tmp_path: Path) -> None:
    home.add(str(home.project))
    script = "#!/bin/sh\ntrap - PIPE; kill -PIPE $$; echo it is ignored\n"
    (tmp_path / "bin" / "claude").write_text(script)
    assert home.resume("--yes").returncode == -signal.SIGPIPE


# what cannot be resumed


def test_what_was_made_here_says_what_can_be_done(home: Home) -> None:
    home.cli.add("elder", "text")
    home.cli("fork", "elder", "--id", "copy")
    result = home.cli("resume", "copy", "--yes")
    assert result.exit_code == 1
    assert result.stderr == (
        "session 'copy' is a fork that was made here, so no program knows it; to resume "
        "its parent: localsessions resume elder; to read it: localsessions show copy; to give its "
        "text to any program: localsessions export copy\n"
    )


def test_a_file_that_is_gone_is_said_and_the_command_can_be_seen(home: Home) -> None:
    home.add(str(home.project))
    (home.root / "chat.jsonl").unlink()
    result = home.cli("resume", "s", "--yes")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "so claude-code no longer has the chat; to read it: localsessions" in result.stderr
    printed = home.cli("resume", "s", "--print")
    assert (printed.exit_code, printed.stdout.count(UUID)) == (0, 1)
    assert "claude-code may no longer have the chat" in printed.stderr


def test_what_was_changed_here_is_said_to_be_unknown_there(home: Home) -> None:
    home.add(str(home.project), imported={})
    assert b"changed here" not in home.resume("--yes").stderr
    home.cli("append", "s", "--role", "user", "more")
    told = home.resume("--yes").stderr.decode()
    assert told.startswith("the session was changed here; claude-code goes on with what it has")


def test_an_unreadable_session_ends_with_5(home: Home) -> None:
    home.cli.write("torn", "{")
    assert home.cli("resume", "torn").exit_code == 5


# what only other systems do, tried here


@pytest.mark.parametrize(
    ("path", "is_whole"),
    [
        ("C:\\work", True),
        ("c:/work", True),
        ("C:work", False),
        ("\\work", False),
        ("/work", False),
        ("\\\\server\\share\\x", False),
        ("//server/share/x", False),
        ("\\\\?\\C:\\work", False),
        ("", False),
    ],
)
def test_on_windows_a_folder_has_a_drive(
    path: str, is_whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "name", "nt")
    monkeypatch.setattr(os, "path", ntpath)
    assert resuming._is_of_this_system(path) is is_whole


def test_where_a_process_cannot_be_replaced_it_is_waited_for(home: Home, tmp_path: Path) -> None:
    name = "claude.cmd" if os.name == "nt" else "claude"
    environment = {**os.environ, "PWD": "/", "NoDefaultCurrentDirectoryInExePath": "1"}
    command = [str(tmp_path / "bin" / name)]
    wait: Callable[..., int] = resuming._wait_for
    assert wait(command, str(home.project), environment) == CODE
