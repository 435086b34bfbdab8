"""The examples run as they are, as a person would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import needs
import pytest
from patience import replace

from localsessions import SessionStore, message_text

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"


def run(*command: str | Path, said: str = "") -> str:
    environment = {key: value for key, value in os.environ.items() if key != "OPENAI_API_KEY"}
    environment["PYTHONUTF8"] = "1"  # what is shown is read as that, whatever the system's is
    done = subprocess.run(
        [sys.executable, "-W", "error", *map(str, command)],
        input=said,
        capture_output=True,
        encoding="utf-8",
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_the_chat_goes_on_where_it_stopped(tmp_path: Path) -> None:
    run(EXAMPLES / "persistent_chat.py", tmp_path, said="the sky is green\n")
    second = run(EXAMPLES / "persistent_chat.py", tmp_path, said="and the grass?\n")
    assert "user: the sky is green" in second
    assert "Before it you said: the sky is green" in second
    with SessionStore(tmp_path) as store:
        texts = [message_text(message) for message in store.load("chat").messages]
    assert len(texts) == 4
    assert texts[0] == "the sky is green"


def test_the_ide_reader_lists_good_and_bad_sessions_and_searches(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        store.create("good", title="A good one")
        store.append("good", {"role": "user", "content": "where is the needle?"})
    (tmp_path / "bad.json").write_text('{"messages": [\n', encoding="utf-8")
    pane = run(EXAMPLES / "ide_reader.py", tmp_path)
    assert "A good one" in pane
    assert "! bad: the file ends in the middle" in pane
    assert "where is the needle?" in pane
    assert "good, message 0" in run(EXAMPLES / "ide_reader.py", tmp_path, "needle")


def test_the_ide_reader_draws_again_what_others_change_until_its_input_ends(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / "ide_reader.py"), str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8") as pane:
        assert pane.stdout is not None
        assert pane.stdout.readline() == "\n"  # an empty list
        for title in ("one", "two"):
            temp = tmp_path / "half-written"
            temp.write_text(f'{{"title": "{title}"}}', encoding="utf-8")
            replace(temp, tmp_path / "s.json")
            assert pane.stdout.readline().endswith(f" {title}\n")
            assert pane.stdout.readline() == "\n"
        said = pane.communicate(timeout=120)
    assert (pane.returncode, said) == (0, ("", ""))


@pytest.mark.needs("git")
def test_a_git_diff_shows_one_turn_and_a_checkout_goes_back(tmp_path: Path) -> None:
    shown = run(EXAMPLES / "git_folder.py", tmp_path / "repository")
    assert '+      "content": "Like a plain text file."' in shown
    assert '-      "content"' not in shown
    assert "after git checkout HEAD~1: 1 message" in shown
    assert "and back again: 2 messages" in shown
    committed = subprocess.run(
        ["git", "-C", str(tmp_path / "repository"), "ls-files"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert committed.stdout.split() == ["design.json"]


@pytest.mark.slow
def test_the_demo_imports_lists_searches_and_shows(tmp_path: Path) -> None:
    shown = run(EXAMPLES / "demo.py", tmp_path / "demo")
    assert "claude-jsonl" in shown
    assert "trying to divide by zero (23, 0)" in shown.partition("show github_issue --at 19")[2]
    assert max(map(len, shown.splitlines())) < 2000
    assert "What to type next" in shown
    assert "Look for them now?" not in shown  # nobody is there to be asked
    with SessionStore(tmp_path / "demo") as store:
        assert store.count() > 100
        assert store.count(status="unreadable") == 0


def test_the_session_manager_converses_in_batches_and_lets_expire(tmp_path: Path) -> None:
    """R22: the document's examples, as a program."""
    assert run(EXAMPLES / "async_session_manager.py", tmp_path).splitlines() == [
        "Checkpoint of turn 2: 4 messages",
        "Checkpoint of turn 1: 2 messages",
        "Created 10 sessions",
        "User 5 has 1 sessions",
        "Immediate access: True",
        "Cleaned 1 expired sessions",
        "Active: 11",
        "Deleted 11 sessions of the chatbot",
    ]


@pytest.mark.needs("agno")
def test_the_agent_of_agno_is_sent_what_was_said_in_an_earlier_process(tmp_path: Path) -> None:
    """A3, A12: the document's example, run twice, in two processes."""
    run(EXAMPLES / "agno_persistent_session.py", tmp_path)
    assert "You asked 2 times, first: Tell me" in run(
        EXAMPLES / "agno_persistent_session.py", tmp_path
    )
    with SessionStore(tmp_path) as store:
        session = store.load("session_storage")
    assert [message["role"] for message in session.messages] == ["user", "assistant"] * 2


def test_the_agent_of_agno_names_the_pip_line_where_agno_is_missing(tmp_path: Path) -> None:
    hidden = "import runpy, sys; sys.modules['agno'] = None; runpy.run_path(sys.argv[1])"
    example = str(EXAMPLES / "agno_persistent_session.py")
    done = subprocess.run([sys.executable, "-c", hidden, example], capture_output=True, text=True)
    assert done.returncode == 1
    assert 'pip install "agno>=3,<4"' in done.stderr


CHATS = ["openai_agents", "google_adk", "langgraph", "pydantic_ai", "strands"]


@pytest.mark.parametrize(
    "framework", needs.marked(CHATS, {name: name.replace("_", " ") for name in CHATS})
)
def test_a_chat_of_a_framework_goes_on_over_two_restarts(framework: str, tmp_path: Path) -> None:
    program = EXAMPLES / f"{framework}_session.py"
    for text in ("What is the weather?", "And tomorrow?"):
        run(program, tmp_path, text)
    said = run(program, tmp_path, "Thanks")
    assert said.startswith("You asked: Thanks Before it you asked: And tomorrow?\n")
    with SessionStore(tmp_path) as store:
        [session] = [one for one in store.list() if one.session_id.endswith("weather")]
        roles = [message["role"] for message in store.load(session.session_id).messages]
    assert roles == ["user", "assistant", "tool", "assistant"] * 3


@pytest.mark.needs("claude agent", "modes")
def test_a_chat_of_claudes_sdk_goes_on_over_two_restarts(tmp_path: Path) -> None:
    program = EXAMPLES / "claude_agent_session.py"
    for text in ("What is the weather?", "And tomorrow?"):
        run(program, tmp_path, text)
    said = run(program, tmp_path, "Thanks")
    assert said.startswith("You asked: Thanks Before it you asked: And tomorrow?\n")
    with SessionStore(tmp_path) as store:
        [session] = store.list()
        assert (session.message_count, session.title) == (6, "What is the weather?")
