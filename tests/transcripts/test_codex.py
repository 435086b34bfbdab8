"""Codex and TRAE rollouts: items, events, versions, and where a session comes from."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localsessions.transcripts import FORMATS, TranscriptFile, export, read_transcript
from localsessions.transcripts.source import Source, read_sources
from localsessions.transcripts.transcript import told_text

from .findings import only

if TYPE_CHECKING:
    from pydantic import JsonValue

    from localsessions.models import Message

    from .conftest import Read
    from .records import Object

FILE = "rollout-1.jsonl"
EXAMPLES = Path(__file__).parents[2] / "examples" / "transcripts"
META: dict[str, JsonValue] = {"id": "own", "cwd": "/w"}


SECONDS = itertools.count()


def line(kind: str, payload: JsonValue) -> Object:
    """Return a line with a time of its own, as in a real rollout."""
    minute, second = divmod(next(SECONDS), 60)
    time = f"2026-03-01T10:{minute % 60:02d}:{second:02d}.000Z"
    return {"timestamp": time, "type": kind, "payload": payload}


def meta(**more: JsonValue) -> Object:
    return line("session_meta", META | more)


def item(kind: str, **more: JsonValue) -> Object:
    return line("response_item", {"type": kind, **more})


def event(kind: str, **more: JsonValue) -> Object:
    return line("event_msg", {"type": kind, **more})


def user(text: str, **more: JsonValue) -> Object:
    return item("message", role="user", content=[{"type": "input_text", "text": text}], **more)


def assistant(text: str, **more: JsonValue) -> Object:
    content: JsonValue = [{"type": "output_text", "text": text}]
    return item("message", role="assistant", content=content, **more)


def texts(found: TranscriptFile) -> list[str]:
    return [told_text(message) for message in only(found).messages]


def called(message: Message) -> tuple[str, str, JsonValue]:
    """Return the id, the name and the arguments of the only call of a message."""
    (call,) = message["tool_calls"] if isinstance(message["tool_calls"], list) else []
    assert isinstance(call, dict)
    function = call["function"]
    assert isinstance(function, dict)
    return str(call["id"]), str(function["name"]), json.loads(str(function["arguments"]))


# Items


@pytest.mark.parametrize(
    ("made", "call"),
    [
        (
            item("web_search_call", id="ws", action={"type": "search", "query": "zebra"}),
            ("ws", "web_search", {"type": "search", "query": "zebra"}),
        ),
        (
            item("tool_search_call", call_id="ts", arguments={"query": "calendar"}),
            ("ts", "tool_search", {"query": "calendar"}),
        ),
        (
            item("mcp_tool_call", call_id="m", name="find", arguments='{"q": 1}'),
            ("m", "find", {"q": 1}),
        ),
        (
            item("tool_call", function={"name": "run"}, arguments={"command": "ls"}),
            ("call_msg_000001", "run", {"command": "ls"}),
        ),
        (item("computer_call", call_id="c"), ("c", "computer", {})),
    ],
)
def test_every_kind_of_call_is_a_message(
    read: Read, made: Object, call: tuple[str, str, JsonValue]
) -> None:
    found = read(meta(), made)
    (message,) = only(found).messages
    assert message["role"] == "assistant"
    assert called(message) == call
    assert found.report.bookkeeping == {"session_meta": 1}


def test_picture_that_was_made_is_kept_as_a_picture(read: Read) -> None:
    made = item("image_generation_call", id="ig", revised_prompt="a red fox", result="aGk=")
    (message,) = only(read(meta(), made)).messages
    url = "data:image/png;base64,aGk="
    assert message["content"] == [{"type": "image_url", "image_url": {"url": url}}]
    assert called(message) == ("ig", "image_generation", {"revised_prompt": "a red fox"})
    assert "result" not in message


@pytest.mark.parametrize(
    ("made", "content"),
    [
        (item("tool_search_output", call_id="c", tools=[{"name": "a"}]), '[{"name": "a"}]'),
        (item("mcp_tool_call_output", call_id="c", output="done"), "done"),
        (item("function_call_output", call_id="c", output={"content": "a"}), [{"content": "a"}]),
        (item("tool_result", call_id="c", result={"exitCode": 0}), '{"exitCode": 0}'),
    ],
)
def test_every_kind_of_result_answers_its_call(
    read: Read, made: Object, content: JsonValue
) -> None:
    (message,) = only(read(meta(), made)).messages
    assert (message["role"], message["tool_call_id"]) == ("tool", "c")
    assert message["content"] == content


def test_result_without_the_id_of_its_call_answers_the_next_call_of_its_name(read: Read) -> None:
    call = item("tool_call", function={"name": "run"}, arguments={})
    results = [item("tool_result", name=name, result="x") for name in ("run", "other", "run")]
    messages = only(read(meta(), call, call | {"timestamp": "2026-03-02T00:00:00Z"}, *results))
    ids = [message.get("tool_call_id") for message in messages.messages[2:]]
    assert ids == ["call_msg_000001", None, "call_msg_000002"]


@pytest.mark.parametrize(
    ("made", "role", "content"),
    [
        (item("agent_message", text="from a child"), "assistant", "from a child"),
        (item("nobody_knows", role="user", content="hi", extra=1), "user", "hi"),
        (item("compaction", encrypted_content="x"), "assistant", None),
        (line("response_item", "a text"), "assistant", None),
    ],
)
def test_item_of_any_other_kind_is_said(
    read: Read, made: Object, role: str, content: JsonValue
) -> None:
    (message,) = only(read(meta(), made)).messages
    assert (message["role"], message.get("content")) == (role, content)
    payload = made["payload"]
    kept = (
        {k: v for k, v in payload.items() if k not in ("role", "text", "content")}
        if (isinstance(payload, dict))
        else {"payload": payload}
    )
    assert message.items() >= kept.items()


def test_what_is_for_the_program_only_is_counted(read: Read) -> None:
    found = read(meta(), user("hi"), item("ghost_snapshot"), line("world_state", {}))
    assert len(only(found).messages) == 1
    assert found.report.bookkeeping == {
        "session_meta": 1,
        "response_item/ghost_snapshot": 1,
        "world_state": 1,
    }


# Compaction


def test_summary_of_a_compaction_is_kept_and_marked(read: Read) -> None:
    said = user("hi")
    compaction = line(
        "compacted", {"message": "They said hi.", "replacement_history": [said["payload"]]}
    )
    message = only(read(meta(), said, compaction)).messages[1]
    assert (message["role"], message["type"]) == ("assistant", "compacted")
    assert message["content"] == "They said hi."
    assert "replacement_history" not in message


@pytest.mark.parametrize("summary", ["They said hi.", ""])
def test_compaction_keeps_what_stands_in_its_history_only(read: Read, summary: str) -> None:
    said, other = user("hi"), user("lost")
    history: JsonValue = [said["payload"], other["payload"]]
    compaction = line("compacted", {"message": summary, "replacement_history": history})
    message = only(read(meta(), said, compaction)).messages[1]
    if summary:
        assert message["content"] == summary
        assert message["replacement_history"] == [other["payload"]]
    else:
        assert message["content"] == [other["payload"]]
        assert "replacement_history" not in message


def test_compaction_that_says_nothing_new_is_counted(read: Read) -> None:
    said = user("hi")
    compaction = line("compacted", {"message": "", "replacement_history": [said["payload"]]})
    found = read(meta(), said, compaction)
    assert texts(found) == ["hi"]
    assert found.report.bookkeeping["compacted"] == 1


# Events


def test_events_that_repeat_items_are_counted(read: Read) -> None:
    reasoning: JsonValue = [{"type": "summary_text", "text": text} for text in ("one", "two")]
    found = read(
        meta(),
        event("user_message", message="List  the\nfiles"),
        user("List the files"),
        item("reasoning", summary=reasoning),
        event("agent_reasoning", text="one"),
        event("agent_reasoning", text="two"),
        assistant("Two."),
        event("agent_message", message="Two."),
    )
    assert texts(found) == ["List the files", "one\ntwo", "Two."]
    assert found.report.bookkeeping == {
        "session_meta": 1,
        "event_msg/user_message": 1,
        "event_msg/agent_reasoning": 2,
        "event_msg/agent_message": 1,
    }


def test_event_that_no_item_repeats_is_a_message_in_its_place(read: Read) -> None:
    plan: JsonValue = {"type": "Plan", "id": "p", "text": "First, then."}
    found = read(
        meta(),
        user("go on"),
        event("user_message", message="go on"),
        event("user_message", message="go on"),
        event("agent_reasoning_raw_content", text="raw"),
        event("item_completed", item=plan),
        assistant("Done."),
    )
    assert texts(found) == ["go on", "go on", "raw", "First, then.", "Done."]
    roles = [message["role"] for message in only(found).messages]
    assert roles == ["user", "user", "assistant", "assistant", "assistant"]
    assert not any("pending" in message for message in only(found).messages)


def test_prompt_that_nobody_has_answered_is_pending_until_its_item_comes(read: Read) -> None:
    said = [meta(), user("first"), assistant("yes"), event("user_message", message="second")]
    before = only(read(*said)).messages
    assert [message.get("pending") for message in before] == [None, None, True]
    after = only(read(*said, user("second"), assistant("no"))).messages
    assert [message["id"] for message in after] == [f"msg_{n:06d}" for n in range(1, 5)]


def test_ids_do_not_depend_on_events(read: Read) -> None:
    call = item("local_shell_call", action={"command": ["ls"]})
    plain = only(read(meta(), user("a"), call)).messages
    with_event = only(read(meta(), event("user_message", message="b"), user("a"), call)).messages
    assert with_event[0]["id"] == "event_000001"
    assert [one["id"] for one in with_event[1:]] == [one["id"] for one in plain]
    assert called(with_event[2])[0] == called(plain[1])[0]


# What is said twice, what is taken back


@pytest.mark.parametrize("own_id", [{}, {"id": "m1"}])
def test_item_that_is_written_twice_is_one_message(read: Read, own_id: Object) -> None:
    first = user("hi", **own_id)
    again = first | ({"timestamp": "2026-03-02T00:00:00.000Z"} if own_id else {})
    found = read(meta(), first, again, assistant("yes"))
    assert texts(found) == ["hi", "yes"]
    assert found.report.bookkeeping["response_item/message (repeated)"] == 1


def test_same_words_at_another_time_are_another_message(read: Read) -> None:
    assert texts(read(meta(), user("yes"), user("yes"))) == ["yes", "yes"]


def test_equal_id_with_other_words_is_another_message(read: Read) -> None:
    assert texts(read(meta(), user("a", id="m"), user("b", id="m"))) == ["a", "b"]


def test_turns_that_were_taken_back_are_kept_and_marked(read: Read) -> None:
    found = read(
        meta(),
        user("<environment_context><cwd>/w</cwd></environment_context>"),
        user("one"),
        assistant("1"),
        user("two"),
        user("<turn_aborted>x</turn_aborted>"),
        assistant("2"),
        event("thread_rolled_back", num_turns=1),
        user("three"),
    )
    marks = [message.get("taken_back") for message in only(found).messages]
    assert marks == [None, None, None, True, True, True, None]


def test_turns_are_taken_back_one_after_the_other(read: Read) -> None:
    back = [event("thread_rolled_back", num_turns=1) for _ in range(2)]
    found = read(meta(), user("one"), user("two"), user("three"), *back)
    assert [message.get("taken_back") for message in only(found).messages] == [None, True, True]


@pytest.mark.parametrize("turns", [0, -1, True, "2", None, 1.0])
def test_number_of_turns_that_is_none_takes_nothing_back(read: Read, turns: JsonValue) -> None:
    found = read(meta(), user("one"), event("thread_rolled_back", num_turns=turns))
    assert "taken_back" not in only(found).messages[0]


def test_more_turns_than_there_are_take_all_back(read: Read) -> None:
    found = read(meta(), user("one"), user("two"), event("thread_rolled_back", num_turns=9))
    assert [message.get("taken_back") for message in only(found).messages] == [True, True]


# Titles


def test_title_is_what_a_person_typed_first(read: Read) -> None:
    found = read(
        meta(),
        item("message", role="developer", content="<permissions instructions>x"),
        user("# AGENTS.md instructions for /w\n\n<INSTRUCTIONS>\nUse tabs.\n</INSTRUCTIONS>"),
        user("<environment_context>\n  <cwd>/w</cwd>\n</environment_context>"),
        user("taken back"),
        event("thread_rolled_back", num_turns=1),
        user("Rename the module"),
    )
    assert only(found).title == "Rename the module"


def test_name_of_the_session_goes_before_its_first_words(read: Read) -> None:
    named = event("thread_name_updated", thread_name="Named")
    assert only(read(meta(), user("hi"), named)).title == "Named"


@pytest.mark.parametrize("folder", ["sessions/2026/03/01", "archived_sessions"])
def test_last_name_in_the_index_is_the_title(read: Read, tmp_path: Path, folder: str) -> None:
    index = tmp_path / "session_index.jsonl"
    names = [("own", "First"), ("own", "Last"), ("other", "Another's"), ("own", " ")]
    entries = [json.dumps({"id": own, "thread_name": name}) for own, name in names]
    index.write_text("\n".join([*entries, '{"id": "own", "thr']), encoding="utf-8")
    named = event("thread_name_updated", thread_name="Before")
    found = read(meta(), user("hi"), named, name=f"{folder}/rollout-1.jsonl")
    assert only(found).title == "Last"


def test_index_that_changed_is_read_again(read: Read, tmp_path: Path) -> None:
    index = tmp_path / "session_index.jsonl"
    name = "archived_sessions/rollout-1.jsonl"
    titles = []
    for number, title in enumerate(["One", "Two"], start=1):
        index.write_text(json.dumps({"id": "own", "thread_name": title}), encoding="utf-8")
        os.utime(index, (number, number))
        titles.append(only(read(meta(), user("hi"), name=name)).title)
    assert titles == ["One", "Two"]


# Where a session comes from


def test_fork_names_the_session_that_it_continues(read: Read) -> None:
    session = only(read(meta(forked_from_id="elder"), user("hi")))
    assert session.forked_from == {"session_id": "elder"}


def test_fork_that_does_not_say_so_begins_with_the_line_of_the_other_session(read: Read) -> None:
    session = only(read(meta(), meta(id="elder"), user("hi")))
    assert (session.session_id, session.forked_from) == ("own", {"session_id": "elder"})
    later = only(read(meta(), user("hi"), meta(id="elder")))
    assert later.forked_from == {}


@pytest.mark.parametrize(
    "more",
    [
        {"parent_thread_id": "p"},
        {"source": {"subagent": {"thread_spawn": {"parent_thread_id": "p", "depth": 1}}}},
    ],
)
def test_sub_agent_names_the_session_that_started_it(read: Read, more: Object) -> None:
    session = only(read(meta(**more), user("hi")))
    assert session.source["parent"] == {"session_id": "p"}


def test_session_is_not_its_own_parent(read: Read) -> None:
    session = only(read(meta(parent_thread_id="own", forked_from_id="own"), user("hi")))
    assert ("parent" in session.source, session.forked_from) == (False, {})


def test_trae_rollout_is_named_for_what_it_is() -> None:
    found = read_transcript(EXAMPLES / "trae" / "rollout_subagent.jsonl")
    session = only(found)
    (source,) = read_sources(str(session.source["file"]))
    assert isinstance(source, Source)
    assert [form.name for form in FORMATS if form.recognises(source)] == ["trae-rollout"]
    assert (found.report.format, session.agent_id) == ("trae-rollout", "trae")
    assert session.title == "Explore the parser package."
    assert session.source["parent"] == {"session_id": "019fbc4a-48b9-7472-a0da-6d92901383db"}
    assert "Plan the exploration." in texts(found)


# Older versions

OLD_HEAD: dict[str, JsonValue] = {
    "id": "old",
    "timestamp": "2025-08-18T01:16:13.522Z",
    "instructions": None,
    "git": {"branch": "main"},
}
OLD_ITEMS: list[dict[str, JsonValue]] = [
    {
        "type": "message",
        "id": None,
        "role": "user",
        "content": [
            {
                "type": "input_text",
                "text": "<environment_context>\n<cwd>/old/app</cwd>\n</environment_context>",
            }
        ],
    },
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]},
    {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c1"},
    {"type": "function_call_output", "call_id": "c1", "output": "ok"},
]


def test_old_rollout_without_envelopes_is_read(read: Read) -> None:
    found = read(OLD_HEAD, {"record_type": "state"}, *OLD_ITEMS, {"record_type": "state"})
    session = only(found)
    assert found.report.format == "codex-rollout"
    assert (session.session_id, session.title) == ("old", "hello")
    assert (session.source["branch"], session.source["project"]) == ("main", "/old/app")
    assert [message["role"] for message in session.messages] == [
        "user",
        "user",
        "assistant",
        "tool",
    ]
    assert found.report.bookkeeping == {"session_meta": 1, "state": 2}
    assert session.created_at.isoformat() == "2025-08-18T01:16:13.522000+00:00"
    assert "undated" not in session.source


def test_first_version_of_one_object_is_read(read: Read) -> None:
    session: JsonValue = {key: value for key, value in OLD_HEAD.items() if key != "git"}
    found = read({"session": session, "items": [*OLD_ITEMS]}, name="rollout-1.json")
    assert (found.report.format, only(found).session_id) == ("codex-rollout", "old")
    assert len(only(found).messages) == 4


def test_head_before_lines_of_another_program_is_no_rollout(read: Read) -> None:
    assert read(OLD_HEAD, {"type": "message", "message": "hi"}).report.format is None


def test_items_alone_are_no_rollout(read: Read) -> None:
    assert read(*OLD_ITEMS).report.format is None


# As other formats


def test_export_has_each_result_after_its_call_and_the_picture(read: Read) -> None:
    session = only(
        read(
            meta(),
            item("tool_search_call", call_id="ts", arguments={}),
            item("image_generation_call", id="ig", result="aGk="),
            item("tool_search_output", call_id="ts", tools=[]),
        )
    )
    call, answer, picture = json.loads(export(session, "jsonl"))["messages"]
    assert call["tool_calls"][0]["id"] == answer["tool_call_id"] == "ts"
    # The API takes pictures from users only.
    assert picture["content"].startswith("[picture left out: ")
