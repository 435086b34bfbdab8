"""``import``: files that are named, and what programs keep on this system."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from killing import interrupt

from localsessions.transcripts import (
    FileReport,
    FormatTotals,
    read_transcript,
)

from .conftest import interruptible, text_of

if TYPE_CHECKING:
    from .conftest import Cli

TRANSCRIPTS = Path(__file__).parents[2] / "examples" / "transcripts"
CLAUDE = str(TRANSCRIPTS / "claude" / "ccviewer-1af7fc5e.jsonl")


def chat(path: Path, *texts: str) -> str:
    messages = [{"role": "user", "content": text} for text in texts]
    path.write_text(json.dumps({"messages": messages}))
    return str(path)


def test_import_makes_the_folder_and_says_what_came_in_of_each_format(cli: Cli) -> None:
    result = cli("import", CLAUDE, str(TRANSCRIPTS / "gemini"))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "claude-jsonl: sessions 1 new; 29 messages, 29 new"
    assert [line.partition(":")[0] for line in lines] == [
        "claude-jsonl", "gemini-chat", "gemini-jsonl",
    ]  # fmt: skip
    count = len(cli.json("list")["items"])
    assert f"{count} sessions came in; next: localsessions list\n" in result.stderr


def test_importing_again_changes_nothing(cli: Cli) -> None:
    cli("import", CLAUDE)
    before = cli("list", "--json").stdout
    document = cli.json("import", CLAUDE)
    assert document["total"]["imported"] == 0
    assert document["total"]["unchanged"] == 1
    assert cli("list", "--json").stdout == before


def test_import_as_json_has_files_and_totals(cli: Cli, tmp_path: Path) -> None:
    document = cli.json("import", chat(tmp_path / "a.json", "text"))
    assert list(document) == ["version", "command", "items", "totals", "total"]
    assert list(document["items"][0]) == list(FileReport.__dataclass_fields__)
    assert list(document["total"]) == list(FormatTotals.__dataclass_fields__)


def test_files_of_a_folder_that_are_no_transcripts_are_counted_and_named_if_asked(
    cli: Cli, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    chat(folder / "a.json", "text")
    (folder / "README.md").write_text("# Nothing")
    result = cli("import", str(folder))
    assert result.exit_code == 0
    assert "1 other file held no session; -v names them\n" in result.stderr
    assert "README" not in result.stderr
    assert f"skipped {folder / 'README.md'}: " in cli("import", str(folder), "-v").stderr


def test_a_named_file_that_is_no_transcript_ends_with_1_and_the_others_are_imported(
    cli: Cli, tmp_path: Path
) -> None:
    bad = tmp_path / "notes.txt"
    bad.write_text("# Nothing")
    result = cli("import", str(bad), chat(tmp_path / "a.json", "text"))
    assert result.exit_code == 1
    assert len(cli.json("list")["items"]) == 1


def test_nothing_but_skipped_files_says_so(cli: Cli, tmp_path: Path) -> None:
    bad = tmp_path / "notes.txt"
    bad.write_text("# Nothing")
    result = cli("import", str(bad))
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1] == "no session was found"


def test_left_out_lines_are_named(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    line = '{"messages": [{"role": "user", "content": "text"}]}\n'
    path.write_text(line + '{"torn\n' + line)
    result = cli("import", str(path))
    assert f"left out {path}, line 2: " in result.stderr


def test_a_refused_session_is_named_and_ends_with_1(cli: Cli, tmp_path: Path) -> None:
    path = chat(tmp_path / "a.json", "text")
    file = cli.item("import", path)
    (cli.folder / f"{file['session_ids'][0]}.json").write_text("{")
    result = cli("import", path)
    assert result.exit_code == 1
    assert f"refused {path}: session '{file['session_ids'][0]}': " in result.stderr


def test_a_path_that_is_not_there_ends_with_3_before_anything_is_done(
    cli: Cli, tmp_path: Path
) -> None:
    result = cli("import", chat(tmp_path / "a.json", "text"), "nowhere")
    assert (result.exit_code, result.stderr) == (
        3,
        "error: there is no such file or folder: nowhere\n",
    )
    assert not cli.folder.exists()


def test_importing_again_says_that_nothing_is_new(cli: Cli) -> None:
    cli("import", CLAUDE)
    result = cli("import", CLAUDE)
    assert result.stdout == "claude-jsonl: sessions 1 unchanged; 29 messages, 0 new\n"
    assert result.stderr == "nothing new; next: localsessions list\n"


def test_what_was_deleted_here_is_said_and_stays_deleted(cli: Cli) -> None:
    cli("import", CLAUDE)
    (one,) = cli.json("list")["items"]
    cli("delete", one["session_id"], "--yes")
    assert "sessions 1 deleted here; " in cli("import", CLAUDE).stdout
    assert cli.json("list")["items"] == []
    cli("cleanup", "--empty-trash", "--yes")
    assert "sessions 1 deleted here; " in cli("import", CLAUDE).stdout
    assert "sessions 1 new; " in cli("import", CLAUDE, "--again").stdout


def test_what_is_forgotten_comes_in_again(cli: Cli) -> None:
    cli("import", CLAUDE)
    cli("delete", "latest", "--yes")
    assert cli("cleanup", "--expired", "--forget", "--yes").exit_code == 2
    assert cli("cleanup", "--empty-trash", "--forget", "--yes").exit_code == 0
    assert "sessions 1 new; " in cli("import", CLAUDE).stdout


# where programs keep theirs


@pytest.fixture
def home(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder in which Claude Code and Codex keep a session each."""
    made = tmp_path / "home"
    claude = made / ".claude" / "projects" / "-w-app"
    codex = made / ".codex" / "sessions" / "2026"
    for folder in (claude, codex):
        folder.mkdir(parents=True)
    shutil.copy(CLAUDE, claude)
    shutil.copy(TRANSCRIPTS / "codex" / "agentsessions-rollout-2.jsonl", codex)
    (claude / "notes.md").write_text("# notes")
    monkeypatch.setattr(
        "localsessions.transcripts.places.os.path.expanduser",
        lambda path: path.replace("~", str(made)),
    )
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(made / "nothing"))
    return made


@pytest.mark.usefixtures("home")
def test_without_a_path_it_shows_what_is_there_and_imports_it(cli: Cli) -> None:
    result = cli("import", "--yes")
    assert result.exit_code == 0
    shown = result.stderr.splitlines()
    assert re.fullmatch(r"claude-code: 2 files, 26\.\d kB; 0 sessions here already", shown[0])
    assert re.fullmatch(r"codex: 1 file, 4\.0 kB; 0 sessions here already", shown[1])
    assert shown[2].startswith(f"into {cli.folder}, which has ")
    assert "2 sessions came in" in result.stderr
    again = cli("import", "--yes")
    assert "kB; 1 session here already" in again.stderr.splitlines()[0]
    assert "nothing new" in again.stderr


@pytest.mark.usefixtures("home")
def test_json_is_one_document_without_a_path_too(cli: Cli) -> None:
    result = cli("import", "--yes", "--json")
    assert json.loads(result.stdout)["total"]["imported"] == 2
    assert "claude-code: 2 files" in result.stderr


@pytest.mark.usefixtures("home")
@pytest.mark.needs("terminals")
def test_a_person_who_declines_has_no_new_folder(cli: Cli, home: Path) -> None:
    environment = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "nothing")}
    code, shown = cli.terminal("import", answers={"Import them?": "n\n"}, env=environment)
    assert code == 1
    assert "codex: 1 file" in shown
    assert "nothing was imported" in shown
    assert not cli.folder.exists()


@pytest.mark.usefixtures("home")
def test_only_the_chosen_programs_are_imported(cli: Cli) -> None:
    cli("import", "--from", "codex", "--yes")
    assert [one["program"] for one in cli.json("list")["items"]] == ["codex"]
    result = cli("import", "--from", "codex,word", "--yes")
    assert result.exit_code == 2
    assert "it is not known where word keeps its chats" in result.stderr
    assert "claude-code" in result.stderr


@pytest.mark.usefixtures("home")
def test_a_program_that_is_not_there_is_said(cli: Cli) -> None:
    result = cli("import", "--from", "cursor", "--yes")
    assert (result.exit_code, result.stderr) == (
        3,
        "error: nothing of cursor is on this system; give the PATH of a file or folder\n",
    )
    assert not cli.folder.exists()


@pytest.mark.usefixtures("home")
def test_where_nobody_can_be_asked_nothing_is_imported(cli: Cli) -> None:
    result = cli("import")
    assert result.exit_code == 2
    assert "give --yes" in result.stderr
    assert not cli.folder.exists()


def test_options_that_exclude_each_other_are_misuse(cli: Cli) -> None:
    for options in ([CLAUDE, "--watch"], [CLAUDE, "--from", "codex"], ["--watch", "--json"]):
        assert cli("import", *options).exit_code == 2


def test_only_what_is_young_is_read(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    chat(folder / "old.json", "x")
    os.utime(folder / "old.json", (1, 1))
    document = cli.json("import", str(folder), "--since", "30d")
    assert document["items"] == []
    record = {
        "type": "user", "uuid": "u", "sessionId": "s", "timestamp": "2020-01-01T00:00:00Z",
        "message": {"role": "user", "content": "x"},
    }  # fmt: skip
    (folder / "touched.jsonl").write_text(json.dumps(record))
    document = cli.json("import", str(folder), "--since", "30d")
    assert (document["total"]["sessions"], document["total"]["messages"]) == (0, 0)
    assert cli.json("import", str(folder), "--since", "2019-12-01")["total"]["sessions"] == 1


@pytest.mark.parametrize("root", ["/w/", "C:\\w\\"])
def test_only_a_project_is_imported(root: str, cli: Cli, tmp_path: Path) -> None:
    records = [
        {
            "type": "user", "uuid": name, "sessionId": name, "cwd": f"{root}{name}",
            "message": {"role": "user", "content": "x"},
        }
        for name in "ab"
    ]  # fmt: skip
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    cli("import", str(tmp_path / "c.jsonl"), "--project", f"{root}b{root[-1]}")
    assert [one["session_id"] for one in cli.json("list")["items"]] == ["b"]


@contextmanager
def watching(cli: Cli, home: Path, before: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Watch the places in a home folder, from when it says so."""
    before += (
        "import localsessions.cli.importing as i; i._LEAST = 0.05; i._REST = 1\n"
        "import localsessions.transcripts.places as p\n"
        f"p.os.path.expanduser = lambda path: path.replace('~', {str(home)!r})\n"
    )
    process = subprocess.Popen(
        interruptible("import", "--watch", "--yes", before=before),
        env={**os.environ, **cli.env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        while b"watching for more" not in process.stderr.readline():
            assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_line(process: subprocess.Popen[bytes], line: str) -> None:
    """Read what a watch says up to this line."""
    assert process.stdout is not None
    while (said := text_of(process.stdout.readline())) != line:
        assert said, f"it ended without {line!r}"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_watching_brings_in_what_grows_until_ctrl_c(cli: Cli, home: Path) -> None:
    with watching(cli, home) as process:
        path = home / ".claude" / "projects" / "-w-app" / "new.jsonl"
        record = {
            "type": "user", "uuid": "u1", "sessionId": "grown",
            "message": {"role": "user", "content": "x"},
        }  # fmt: skip
        path.write_text(json.dumps(record) + "\n")
        wait_for_line(process, f"{path}: sessions 1 new; 1 message, 1 new\n")
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record | {"uuid": "u2"}) + "\n")
        wait_for_line(process, f"{path}: sessions 1 brought up to date; 2 messages, 1 new\n")
        interrupt(process)
        process.communicate(timeout=120)
    assert process.returncode == 130
    with cli.store() as store:
        assert len(store.load("grown").messages) == 2


def test_what_is_written_while_it_is_imported_is_seen_by_the_watch(cli: Cli, home: Path) -> None:
    path = home / ".codex" / "sessions" / "2026" / "agentsessions-rollout-2.jsonl"
    session_id = read_transcript(path).sessions[0].session_id
    item = {
        "timestamp": "2026-12-01T00:00:00Z", "type": "response_item",
        "payload": {"type": "message", "role": "user", "content": "said meanwhile"},
    }  # fmt: skip
    before = (
        "import localsessions.cli.importing as i\n"
        "def imported(*given, real=i._imported, first=[1], **named):\n"
        "    report = real(*given, **named)\n"
        "    if first.pop() if first else 0:\n"
        f"        open({str(path)!r}, 'a').write({json.dumps(item)!r} + chr(10))\n"
        "    return report\n"
        "i._imported = imported\n"
    )
    with watching(cli, home, before):

        def is_in() -> bool:
            if not cli.folder.exists():
                return False
            with cli.store() as store:
                session = store.get(session_id)
            return bool(session and session.messages[-1].get("content") == "said meanwhile")

        until(is_in)


def test_a_place_that_comes_later_is_watched_too(cli: Cli, home: Path) -> None:
    with watching(cli, home):
        chats = home / ".gemini" / "tmp" / "new" / "chats"
        chats.mkdir(parents=True)
        shutil.copy(TRANSCRIPTS / "gemini" / "gemini-large.json", chats)

        def is_in() -> bool:
            with cli.store() as store:
                return store.count(program="gemini-cli") == 1

        until(is_in)


def test_a_place_that_is_gone_for_a_while_ends_no_watch(cli: Cli, home: Path) -> None:
    before = (
        "import localsessions.cli.importing as i\n"
        "def places(programs, real=i._places_of, looks=[]):\n"
        "    looks.append(1)\n"
        "    return [] if len(looks) == 2 else real(programs)\n"
        "i._places_of = places\n"
    )
    path = home / ".gemini" / "tmp" / "new" / "chats" / "gemini-large.json"
    with watching(cli, home, before) as process:
        path.parent.mkdir(parents=True)
        shutil.copy(TRANSCRIPTS / "gemini" / "gemini-large.json", path)
        wait_for_line(process, f"{path}: sessions 1 new; 9 messages, 9 new\n")


def test_a_file_that_only_says_more_of_a_session_beside_it_is_watched(cli: Cli, home: Path) -> None:
    task = home / ".cline" / "data" / "tasks" / "1784"
    task.mkdir(parents=True)
    shutil.copy(TRANSCRIPTS / "cline" / "api_conversation_history.json", task)
    with watching(cli, home) as process:
        shutil.copy(TRANSCRIPTS / "cline" / "ui_messages.json", task)
        path = task / "api_conversation_history.json"
        assert process.stdout is not None
        while str(path) not in (said := text_of(process.stdout.readline())):
            assert said, "it ended"
        assert "brought up to date" in said


@pytest.mark.needs("modes")
def test_a_file_that_may_not_be_read_keeps_no_other_out(
    cli: Cli, tmp_path: Path, as_other_user: Callable[[Path, Callable[[], object]], object]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good, locked = (chat(folder / name, "x") for name in ("a.json", "b.json"))
    Path(locked).chmod(0)
    folder.chmod(0o755)
    store = tmp_path / "store"
    store.mkdir()
    store.chmod(0o777)

    def act() -> object:
        result = cli("import", good, locked, env={"LOCALSESSIONS_DIR": str(store)})
        return result.exit_code, result.stdout, result.stderr

    found = as_other_user(folder, act)
    assert isinstance(found, tuple)
    code, out, said = found
    assert (code, out) == (1, "openai-messages: sessions 1 new; 1 message, 1 new\n")
    assert f"skipped {locked}: cannot be read: Permission denied" in said


def test_an_archive_that_gave_its_chats_is_well(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("chat.json", json.dumps([{"role": "user", "content": "x"}]))
        archive.writestr("chat.html", "<p>x</p>")
    result = cli("import", str(path))
    assert (result.exit_code, result.stdout) == (
        0,
        "openai-messages: sessions 1 new; 1 message, 1 new\n",
    )
    assert "skipped" not in result.stderr
    assert "holds 1 more files" in cli("import", "-v", str(path)).stderr
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("chat.html", "<p>x</p>")
    assert cli("import", str(path)).exit_code == 1


def test_of_many_bad_lines_the_first_are_named(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    record = '{"messages": [{"role": "user", "content": "text"}]}\n'
    path.write_text(record * 40 + '{"torn\n' * 30)
    said = cli("import", str(path)).stderr
    assert said.count(f"left out {path}, line ") == 20
    assert f"mended or left out {path}: 10 lines more; -v names them\n" in said
    said = cli("import", "-v", str(path)).stderr
    assert said.count(f"left out {path}, line ") == 30


def test_what_was_deleted_here_is_told_apart_from_nothing(cli: Cli, tmp_path: Path) -> None:
    path = chat(tmp_path / "a.json", "text")
    cli("import", path)
    cli("delete", "a", "--yes")
    said = cli("import", path).stderr
    assert (
        said
        == "what was found was deleted here, or moved to another folder; --again brings it back\n"
    )


@pytest.mark.needs("signals")
def test_ctrl_c_keeps_what_is_in(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(50):
        chat(folder / f"{number:02}.json", "x")
    before = (
        "import localsessions.transcripts.importing as i\n"
        "def read(path, wants, read=i.open_transcripts):\n"
        "    if path.endswith('30.json'): raise KeyboardInterrupt\n"
        "    return read(path, wants)\n"
        "i.open_transcripts = read\n"
    )
    ended = subprocess.run(
        interruptible("import", str(folder), before=before),
        env={**os.environ, **cli.env},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 128 + signal.SIGINT
    assert b"interrupted; nothing was lost" in ended.stderr
    with cli.store() as store:
        assert store.count() == 30
    assert "sessions 20 new, 30 unchanged" in cli("import", str(folder)).stdout
