"""How a session goes on in its program: which command, and of which sessions there is none."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from localsessions import Session
from localsessions.transcripts import NoResumption, Resumption, resumption_of
from localsessions.transcripts.reimport import mark_imported
from localsessions.transcripts.resuming import LAUNCHES

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions import Message

UUID = "5a3bb1c8-c3ce-466e-b487-24212cbf1da1"
SES = "ses_4f1f2c8a0ffeSgkV2xQf9bYm1Z"

HOSTILE = [
    "",
    "-x",
    "--resume",
    "latest",
    "1",
    "..",
    "../../etc/passwd",
    "a b",
    "$(id)",
    "`id`",
    "; rm -rf ~",
    "a&calc.exe",
    "%PATH%",
    "^",
    '"',
    "'",
    f"-{UUID}",
    f"{UUID} --dangerously-skip-permissions",
    f"{UUID}\n",
    f"\n{UUID}",
    f"{UUID}\0",
    f"{UUID}/..",
    f"{SES}\n",
    f"{SES}&calc",
    "ses_",
    "ſes_4f1f2c8a0ffeSgkV2xQf9bYm1Z",
    UUID.replace("5", "５"),  # a full-width digit
]


def imported(program: str, session_id: JsonValue, **more: Any) -> Session:
    source = {"program": program, "session_id": session_id, "file": "/f.jsonl", **more}
    messages = [{"id": "m1", "role": "user", "content": "one"}]
    made = Session(session_id="s", source=source, messages=messages)
    return mark_imported(made).session


@pytest.mark.parametrize(
    ("program", "session_id", "command"),
    [
        ("claude-code", UUID, ["claude", "--resume", UUID]),
        ("codex", UUID, ["codex", "resume", UUID]),
        ("gemini-cli", UUID, ["gemini", "--resume", UUID]),
        ("copilot-cli", UUID, ["copilot", f"--resume={UUID}"]),
        ("opencode", SES, ["opencode", "--session", SES]),
    ],
)
def test_each_program_is_started_with_its_own_words(
    program: str, session_id: str, command: list[str]
) -> None:
    way = resumption_of(imported(program, session_id, project="/p"))
    assert isinstance(way, Resumption)
    assert [way.executable, *way.arguments] == command
    assert (way.program, way.project, way.file) == (program, "/p", "/f.jsonl")


def test_the_table_says_how_each_program_is_installed_and_which_version_was_looked_at() -> None:
    assert all("npm " in one.install and one.checked for one in LAUNCHES.values())


@pytest.mark.parametrize("program", LAUNCHES)
@pytest.mark.parametrize("session_id", [*HOSTILE, None, 5, ["a"]], ids=repr)
def test_an_id_of_another_form_is_no_argument(program: str, session_id: JsonValue) -> None:
    assert isinstance(resumption_of(imported(program, session_id)), NoResumption)


@pytest.mark.parametrize(
    "program", ["claude", "sh", "../claude-code", "claude-code ", "", "cursor"]
)
def test_a_transcript_chooses_no_program(program: str) -> None:
    assert isinstance(resumption_of(imported(program, UUID)), NoResumption)


def test_what_was_made_here_is_known_to_no_program() -> None:
    assert resumption_of(Session(session_id="s")) == NoResumption(
        "was made here, so no program knows it"
    )
    fork = Session(session_id="s", forked_from={"session_id": "elder", "message_id": "m1"})
    assert resumption_of(fork) == NoResumption(
        "is a fork that was made here, so no program knows it", "elder"
    )


def test_a_sub_agent_leads_to_its_parent() -> None:
    found = resumption_of(imported("codex", UUID, parent={"session_id": "elder"}))
    assert isinstance(found, NoResumption)
    assert found.parent == "elder"


def test_a_fork_that_the_program_made_is_opened_itself() -> None:
    session = imported("codex", UUID)
    session.forked_from = {"session_id": "elder"}
    assert isinstance(resumption_of(session), Resumption)


def test_a_session_is_changed_if_its_messages_are() -> None:
    session = imported("codex", UUID)
    kept = list(session.messages)
    changed: list[list[Message]] = [
        [{**kept[0], "content": "two"}],
        [*kept, {"id": "m2", "role": "user", "content": "more"}],
        [],
    ]
    way = resumption_of(session)
    assert isinstance(way, Resumption)
    assert not way.is_changed
    for messages in changed:
        session.messages = messages
        assert resumption_of(session) == replace(way, is_changed=True)
    session.messages = kept
    session.title = "mine"
    assert resumption_of(session) == way


def test_the_docs_name_every_program_with_its_command_and_version() -> None:
    table = Path(__file__, "../../../docs/resume.md").resolve().read_text(encoding="utf-8")
    rows = re.findall(r"^\| [A-Za-z- ]+ \| `(.+?)` \| .+? \| ([\d.]+),", table, re.MULTILINE)
    assert sorted(rows) == sorted(
        (" ".join((one.executable, *one.arguments)).format(id="ID"), one.checked)
        for one in LAUNCHES.values()
    )
