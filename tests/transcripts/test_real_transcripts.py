"""What comes out of real files, each with its known number of sessions and messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localsessions.transcripts import FORMATS, read_transcript

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Message, Session

TRANSCRIPTS = Path(__file__).parents[2] / "examples" / "transcripts"

# file, format, sessions with messages, sessions without, messages
KNOWN = [
    # Six steps, one of them with four results.
    ("atif/nemo_relay_atif_v1.7_real_redacted.json", "atif", 1, 0, 10),
    # The third conversation has no messages.
    ("chatgpt/chatgpt-modern-export.json", "chatgpt-export", 2, 1, 7),
    ("chatgpt/chatgpt-native-conversation-v1.json", "chatgpt-export", 1, 0, 8),
    # Three session ids, one of which stands on bookkeeping records only, and a side chain. Of its
    # 20 records that speak, two repeat another; two prompts stand in other records.
    ("claude/agentsessions-small.jsonl", "claude-jsonl", 3, 1, 20),
    ("claude/cclog-edge_cases.jsonl", "claude-jsonl", 2, 0, 14),
    ("claude/ccviewer-1af7fc5e.jsonl", "claude-jsonl", 1, 0, 29),
    ("claude/entire-48b429896bcb-0.jsonl", "claude-jsonl", 1, 0, 36),
    # A summary and snapshots: there is no message that a session could hold.
    ("claude/obra-medium-conversation.jsonl", "claude-jsonl", 0, 1, 0),
    ("claude/obra-tiny-conversation.jsonl", "claude-jsonl", 1, 0, 7),
    ("claude/simonw-sample_session.json", "claude-web-json", 1, 0, 33),
    ("claude/simonw-sample_session.jsonl", "claude-jsonl", 1, 0, 7),
    ("claude-ai/claude-ai-export.json", "claude-ai-export", 1, 0, 1),
    ("cline/api_conversation_history.json", "cline-task", 1, 0, 5),
    # Rows beside a history tell what it lacks, and are no session.
    ("cline/ui_messages.json", "cline-ui", 0, 0, 0),
    ("cline-sdk/1784094124598_rruoq.json", "cline-messages", 0, 0, 0),
    # 32 records and the instructions.
    ("cline-sdk/1784094124598_rruoq.messages.json", "cline-messages", 1, 0, 33),
    ("cline-sdk/basic.compaction.json", "cline-messages", 1, 0, 11),
    ("cline-sdk/success.messages.json", "cline-messages", 1, 0, 4),
    ("codex/agentsessions-rollout-2.jsonl", "codex-rollout", 1, 0, 16),
    # A sample of every kind of line: 21 items, 6 compactions, 2 prompts that no item repeats.
    ("codex/agentsessions-rollout-small.jsonl", "codex-rollout", 1, 0, 29),
    # A question, four rounds and three of their results.
    ("copilot-chat/splitrail-copilot.json", "vscode-chat", 1, 0, 8),
    ("copilot-chat/splitrail-copilot.jsonl", "vscode-chat-log", 1, 0, 8),
    ("copilot-cli/aaaabbbb-events.jsonl", "copilot-events", 1, 0, 4),
    # A sample of every kind of event: 11 said by persons, models and tools, and 4 notices.
    ("copilot-cli/agentsessions-small.jsonl", "copilot-events", 2, 0, 15),
    # 13 messages of the source and 9 results.
    ("gemini/entire-ab2b9748b105.json", "gemini-chat", 1, 0, 22),
    ("gemini/entire-ec38b74f08e3.json", "gemini-chat", 1, 0, 1),
    ("gemini/gemini-jsonl_v040.jsonl", "gemini-jsonl", 1, 0, 4),
    ("gemini/gemini-large.json", "gemini-chat", 1, 0, 9),
    # A preference is two sessions.
    ("llama-factory/v1_dpo_demo.jsonl", "llama-factory", 6, 0, 18),
    ("llama-factory/v1_sft_demo.jsonl", "llama-factory", 20, 0, 40),
    ("mini-swe-agent/django-13768.traj.json", "mini-swe-agent-traj", 1, 0, 122),
    ("mini-swe-agent/github_issue.traj.json", "mini-swe-agent-traj", 1, 0, 22),
    ("mini-swe-agent/local.traj.json", "mini-swe-agent-traj", 1, 0, 6),
    ("roo/api_conversation_history.json", "roo-task", 1, 0, 16),
    ("roo/ui_messages.json", "roo-ui", 0, 0, 0),
    ("sharegpt/fastchat-dummy_conversation.json", "sharegpt", 500, 0, 2000),
    ("sharegpt/glaive_toolcall_en_demo.json", "sharegpt", 300, 0, 1914),
    ("swe-agent/ctf-crypto-BabyEncryption.traj", "swe-agent-traj", 1, 0, 31),
    ("swe-agent/ctf-misc-networking_1.traj", "swe-agent-traj", 1, 0, 9),
    ("swe-agent/function_calling_simple.traj", "swe-agent-traj", 1, 0, 12),
    # Ten in its history, and the last step with its answer.
    ("swe-agent/test-repo-c2844.traj", "swe-agent-traj", 1, 0, 12),
    ("trae/rollout_subagent.jsonl", "trae-rollout", 1, 0, 10),
    ("webvoyager/ArXiv-11.json", "openai-messages", 1, 0, 15),
    ("webvoyager/ESPN-11.json", "openai-messages", 1, 0, 11),
    ("iflow/agentsview-5de701fc.jsonl", "iflow-jsonl", 1, 0, 16),
    ("cursor/state.vscdb", "cursor-vscdb", 9, 0, 20),
    ("opencode/storage/session/proj_test/ses_s_stage0_large.json", "opencode-storage", 1, 0, 5),
    ("opencode/storage/session/proj_test/ses_s_stage0_small.json", "opencode-storage", 1, 0, 3),
]
# What comes in with a session of another file.
PIECES = ("opencode/storage/message/", "opencode/storage/part/")
FILES = [known[0] for known in KNOWN]


def sessions(name: str) -> tuple[Session, ...]:
    return read_transcript(TRANSCRIPTS / name).sessions


def messages(name: str) -> list[Message]:
    return [message for session in sessions(name) for message in session.messages]


def leaves(value: JsonValue) -> list[str]:
    """Return every text in a value, and those in texts that are JSON themselves."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in leaves(item)]
    if isinstance(value, list):
        return [text for item in value for text in leaves(item)]
    if not isinstance(value, str):
        return []
    try:
        inside = json.loads(value) if value[:1] in ("{", "[") else None
    except json.JSONDecodeError:
        inside = None
    return [value, *leaves(inside)]


@pytest.mark.parametrize(("name", "form", "full", "empty", "count"), KNOWN, ids=FILES)
def test_every_message_of_a_real_file_comes_in(
    name: str, form: str, full: int, empty: int, count: int
) -> None:
    found = read_transcript(TRANSCRIPTS / name)
    assert found.report.format == form
    assert (len(found.sessions), found.report.empty) == (full, empty)
    assert sum(len(session.messages) for session in found.sessions) == count
    assert found.report.messages == count


def test_the_table_names_every_example() -> None:
    found = (path for path in TRANSCRIPTS.glob("*/**/*") if path.is_file())
    there = {path.relative_to(TRANSCRIPTS).as_posix() for path in found}
    assert {name for name in there if not name.startswith(PIECES)} == set(FILES)


def test_the_examples_show_every_foreign_format() -> None:
    shown = {form for _, form, *_ in KNOWN}
    made_by_tests = {"opencode-db", "kilo-task", "kilo-ui"}
    assert shown == {form.name for form in FORMATS} - {"localsessions"} - made_by_tests


def test_the_readme_of_the_examples_names_each_file() -> None:
    readme = (TRANSCRIPTS / "README.md").read_text(encoding="utf-8")
    assert [name for name in FILES if f"]({name})" not in readme] == []


@pytest.mark.parametrize("name", FILES)
def test_ids_are_texts_and_unique_in_their_session(name: str) -> None:
    for session in sessions(name):
        ids = [message["id"] for message in session.messages]
        assert all(isinstance(message_id, str) and message_id for message_id in ids)
        assert len(set(map(str, ids))) == len(ids)


@pytest.mark.parametrize("name", FILES)
def test_reading_a_file_twice_gives_equal_sessions(name: str) -> None:
    assert sessions(name) == sessions(name)


@pytest.mark.parametrize("name", FILES)
def test_every_call_has_the_shape_of_chat_completions(name: str) -> None:
    for message in messages(name):
        calls = message.get("tool_calls", [])
        assert isinstance(calls, list)
        for call in calls:
            assert isinstance(call, dict)
            function = call["function"]
            assert isinstance(function, dict)
            assert call["type"] == "function"
            assert isinstance(call["id"], str)
            assert isinstance(function["name"], str)
            assert json.loads(str(function["arguments"])) is not ...


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("claude/ccviewer-1af7fc5e.jsonl", 12),
        ("claude/entire-48b429896bcb-0.jsonl", 12),
        ("claude/simonw-sample_session.json", 12),
        ("codex/agentsessions-rollout-2.jsonl", 1),
        ("gemini/entire-ab2b9748b105.json", 9),
        ("gemini/gemini-large.json", 2),
        ("mini-swe-agent/django-13768.traj.json", 59),
        ("sharegpt/glaive_toolcall_en_demo.json", 211),
        ("swe-agent/function_calling_simple.traj", 5),
        ("swe-agent/test-repo-c2844.traj", 4),
        ("trae/rollout_subagent.jsonl", 3),
    ],
)
def test_results_name_a_call_of_their_session(name: str, pairs: int) -> None:
    paired = 0
    for session in sessions(name):
        called: set[str] = set()
        for message in session.messages:
            calls = message.get("tool_calls", [])
            assert isinstance(calls, list)
            called |= {str(call["id"]) for call in calls if isinstance(call, dict)}
            if message["role"] == "tool":
                assert message["tool_call_id"] in called
                paired += 1
    assert paired == pairs


# Facts of where a message stands; they are said by the session, the role or tool_calls.
STRUCTURE = {"user", "gemini", "message", "response_item", "tool_use", "tool_result"}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("claude/ccviewer-1af7fc5e.jsonl", None),
        ("claude/entire-48b429896bcb-0.jsonl", None),
        ("claude/simonw-sample_session.json", "loglines"),
        ("gemini/entire-ab2b9748b105.json", "messages"),
        ("mini-swe-agent/django-13768.traj.json", "messages"),
        ("swe-agent/test-repo-c2844.traj", "history"),
    ],
)
def test_no_text_of_a_message_is_lost(name: str, key: str | None) -> None:
    text = (TRANSCRIPTS / name).read_text(encoding="utf-8")
    if key:
        source = json.loads(text)[key]
    else:
        records = [json.loads(line) for line in text.splitlines()]
        source = [record for record in records if record["type"] in ("user", "assistant")]
    (session,) = sessions(name)
    made: list[list[str]] = []
    for stored in session.messages:
        # A result of gemini-cli stands in the message that called.
        if str(stored["id"]).endswith("_result"):
            made[-1] += leaves(stored)
        # What SWE-agent did last stands outside its history.
        elif not str(stored["id"]).startswith("step_"):
            made.append(leaves(stored))
    for spoken, texts in zip(source, made, strict=True):
        kept = "\n".join(texts) + session.session_id
        lost = [text for text in leaves(spoken) if text.strip() not in kept]
        assert [text for text in lost if text not in STRUCTURE and text[:7] != "Error: "] == []


WITHOUT_REPEATS = ("claude/ccviewer", "gemini/", "mini-swe-agent/", "swe-agent/", "atif/")


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(WITHOUT_REPEATS)])
def test_no_long_text_stands_twice_in_a_message(name: str) -> None:
    for message in messages(name):
        said = [text for text in leaves(message.get("content")) if len(text) > 60]
        rest = leaves({key: value for key, value in message.items() if key != "content"})
        assert [text for text in said if text in rest] == []


def test_text_in_other_scripts_comes_in_as_it_is() -> None:
    texts = "\n".join(leaves([*messages("claude/cclog-edge_cases.jsonl")]))
    assert all(word in texts for word in ("中文", "العربية", "русский"))
