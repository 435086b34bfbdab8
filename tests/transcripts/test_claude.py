"""What Claude Code's files become beyond messages: queue, commands, side chains, links, titles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localsessions.store import SessionStore
from localsessions.transcripts import import_paths, read_transcript

from .findings import only
from .records import claude_record, written_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from localsessions.models import Message
    from localsessions.transcripts import TranscriptFile

    from .conftest import Read
    from .records import Object

FILE = "s1.jsonl"
TRANSCRIPTS = Path(__file__).parents[2] / "examples" / "transcripts"
COMMAND = "<command-name>/{0}</command-name>\n<command-args>{1}</command-args>"


def user(uuid: str, content: JsonValue, **more: JsonValue) -> Object:
    return claude_record("user", uuid, content, **more)


def answer(uuid: str, **more: JsonValue) -> Object:
    return claude_record("assistant", uuid, [{"type": "text", "text": f"answer {uuid}"}], **more)


def queue(operation: str, content: str | None = None, **more: JsonValue) -> Object:
    record: Object = {"type": "queue-operation", "operation": operation, "sessionId": "s1"}
    return record | ({} if content is None else {"content": content}) | more


def absorbed(uuid: str, prompt: JsonValue, **more: JsonValue) -> Object:
    attachment: Object = {"type": "queued_command", "prompt": prompt, "commandMode": "prompt"}
    return {
        "type": "attachment",
        "uuid": uuid,
        "sessionId": "s1",
        "attachment": attachment | more,
    }


def block(tag: str, text: str) -> str:
    return f"<{tag}>{text}</{tag}>"


def contents(found: TranscriptFile) -> list[JsonValue]:
    return [message.get("content") for message in only(found).messages]


# What a person typed while the model worked


def test_prompt_that_the_turn_absorbed_is_a_user_message_in_its_place(read: Read) -> None:
    found = read(
        user("u1", "Count the files"),
        queue("enqueue", "also the lines"),
        answer("a1"),
        queue("remove"),
        absorbed("x1", "also the lines", origin={"kind": "human"}),
        answer("a2"),
    )
    messages = only(found).messages
    assert [message["id"] for message in messages] == ["u1", "a1", "x1", "a2"]
    assert messages[2] == {
        "id": "x1",
        "role": "user",
        "content": "also the lines",
        "attachment": {
            "type": "queued_command",
            "commandMode": "prompt",
            "origin": {"kind": "human"},
        },
    }
    assert found.report.bookkeeping == {"queue-operation": 2}


def test_absorbed_prompt_with_an_image_keeps_its_parts(read: Read) -> None:
    prompt: JsonValue = [{"type": "text", "text": "like this"}, {"type": "image", "source": {}}]
    found = read(user("u1", "x"), queue("enqueue", "like this"), absorbed("x1", prompt))
    assert contents(found) == ["x", prompt]


@pytest.mark.parametrize(
    ("prompt", "more"),
    [
        ("done", {"commandMode": "task-notification"}),
        ("done", {"origin": {"kind": "peer"}}),
        ("done", {"origin": {"kind": "task-notification"}}),
        ("done", {"isMeta": True}),
        ("<task-notification>\n<task-id>1</task-id>\n</task-notification>", {}),
        ("", {"origin": {"kind": "human"}}),
    ],
)
def test_what_no_person_typed_into_the_queue_is_bookkeeping(
    read: Read, prompt: str, more: Object
) -> None:
    found = read(user("u1", "x"), absorbed("x1", prompt, **more))
    assert contents(found) == ["x"]
    assert found.report.bookkeeping == {"attachment": 1}


def test_notice_in_the_queue_is_no_message_but_takes_its_turn(read: Read) -> None:
    found = read(
        user("u1", "x"),
        queue("enqueue", "<task-notification>\nready\n</task-notification>"),
        queue("enqueue", "and then?"),
        queue("dequeue"),
        answer("a1"),
    )
    assert contents(found)[2:] == ["and then?"]
    assert only(found).messages[-1]["pending"] is True


def test_prompt_with_a_user_record_of_its_own_is_one_message(read: Read) -> None:
    found = read(
        user("u1", "Start"),
        queue("enqueue", "then run it"),
        queue("dequeue"),
        user("u2", "then run it"),
        answer("a1"),
    )
    assert [message["id"] for message in only(found).messages] == ["u1", "u2", "a1"]


def test_prompts_that_begin_a_turn_together_are_in_its_message(read: Read) -> None:
    found = read(
        user("u1", "Start"),
        queue("enqueue", "one"),
        queue("enqueue", "two\nlines"),
        queue("dequeue"),
        queue("dequeue"),
        user("u2", "one\ntwo\nlines"),
        answer("a1"),
    )
    assert contents(found)[:2] == ["Start", "one\ntwo\nlines"]
    assert len(contents(found)) == 3


def test_command_in_the_queue_is_its_record_in_tags(read: Read) -> None:
    found = read(
        user("u1", "x"),
        queue("enqueue", "/review src"),
        queue("dequeue"),
        user("u2", COMMAND.format("review", "src")),
        answer("a1"),
    )
    assert len(contents(found)) == 3


def test_prompt_that_left_the_queue_without_a_record_is_a_message_there(read: Read) -> None:
    records = (
        user("u1", "Start"),
        queue("enqueue", "use the narwhal branch", timestamp="2026-03-01T10:00:02.000Z"),
        answer("a1"),
        queue("remove", "use the narwhal branch", reason="absorbed_mid_turn"),
        answer("a2"),
    )
    found = read(*records)
    assert contents(found)[2] == "use the narwhal branch"
    message = only(found).messages[2]
    assert {key: message[key] for key in message if key != "id"} == {
        "role": "user",
        "content": "use the narwhal branch",
        "created_at": "2026-03-01T10:00:02.000Z",
        "operation": "remove",
        "reason": "absorbed_mid_turn",
    }
    assert found.report.bookkeeping == {"queue-operation": 1}


def test_same_words_typed_again_later_are_said_twice(read: Read) -> None:
    found = read(
        user("u1", "Start"),
        queue("enqueue", "continue"),
        queue("remove"),
        answer("a1"),
        user("u2", "continue"),
        answer("a2"),
    )
    assert contents(found).count("continue") == 2


def test_prompt_that_waits_is_pending_and_last(read: Read) -> None:
    found = read(user("u1", "x"), queue("enqueue", "next, please"), answer("a1"))
    last = only(found).messages[-1]
    assert (last["role"], last["content"], last["pending"]) == ("user", "next, please", True)


def test_prompt_that_the_person_took_back_is_kept_and_marked(read: Read) -> None:
    found = read(
        user("u1", "x"),
        queue("enqueue", "delete it all"),
        queue("enqueue", "or rather"),
        queue("popAll", "delete it all"),
        queue("popAll", "or rather"),
        user("u2", "or rather"),
        answer("a1"),
    )
    messages = only(found).messages
    assert contents(found)[:3] == ["x", "delete it all", "or rather"]
    assert (messages[1]["taken_back"], len(messages)) == (True, 4)


def test_prompt_that_was_taken_back_and_given_again_is_one_message(read: Read) -> None:
    again = (queue("enqueue", "more"), queue("popAll", "more"), queue("enqueue", "more"))
    found = read(user("u1", "x"), *again, queue("remove", "more"), answer("a1"))
    assert contents(found)[1:-1] == ["more"]
    assert "taken_back" not in only(found).messages[1]


def test_prompt_that_was_given_again_is_its_user_record(read: Read) -> None:
    again = (queue("enqueue", "more"), queue("popAll", "more"), queue("enqueue", "more"))
    found = read(user("u1", "x"), *again, queue("dequeue"), user("u2", "more"))
    assert [message["id"] for message in only(found).messages] == ["u1", "u2"]


def test_paste_in_the_queue_is_the_attachment_of_the_same_time(read: Read) -> None:
    time = "2026-03-01T10:00:02.000Z"
    found = read(
        user("u1", "x"),
        queue("enqueue", "[Pasted text #1 +2 lines]", timestamp=time),
        queue("remove"),
        absorbed("x1", "first\nsecond", timestamp=time),
        answer("a1"),
    )
    assert [message["id"] for message in only(found).messages] == ["u1", "x1", "a1"]


def test_two_prompts_of_one_time_are_two_messages(read: Read) -> None:
    time = "2026-03-01T10:00:02.000Z"
    found = read(
        user("u1", "x"),
        queue("enqueue", "one", timestamp=time),
        queue("enqueue", "two", timestamp=time),
        queue("remove", "two"),
        queue("remove", "one"),
        absorbed("x1", "one", timestamp=time),
        answer("a1"),
    )
    assert contents(found)[1:-1] == ["two", "one"]


def test_absorbed_prompt_that_names_a_user_record_is_that_record(read: Read) -> None:
    found = read(user("u1", "x"), absorbed("x1", "more", source_uuid="u1"))
    assert contents(found) == ["x"]
    assert found.report.bookkeeping == {"attachment": 1}


def test_queue_that_is_emptied_without_a_text_is_empty(read: Read) -> None:
    found = read(
        user("u1", "x"),
        queue("enqueue", "a"),
        queue("enqueue", "b"),
        queue("popAll"),
        answer("a1"),
    )
    assert [message.get("taken_back") for message in only(found).messages[1:3]] == [True, True]


def test_prompt_that_only_its_removal_names_is_a_message(read: Read) -> None:
    found = read(user("u1", "x"), queue("remove", "from before"), answer("a1"))
    assert contents(found)[1] == "from before"


GROWING = {
    "absorbed": (
        user("u1", "x"),
        queue("enqueue", "more"),
        answer("a1"),
        queue("remove"),
        absorbed("x1", "more"),
        answer("a2"),
    ),
    "attached first": (
        user("u1", "x"),
        queue("enqueue", "more"),
        absorbed("x1", "more"),
        queue("remove", "more"),
        answer("a2"),
    ),
    "dequeued": (
        user("u1", "x"),
        queue("enqueue", "more"),
        answer("a1"),
        queue("dequeue"),
        user("u2", "more"),
        answer("a2"),
    ),
    "removed": (user("u1", "x"), queue("enqueue", "more"), queue("remove"), answer("a1")),
    "given again": (
        user("u1", "x"),
        queue("enqueue", "more"),
        queue("popAll", "more"),
        user("u2", "more"),
        answer("a1"),
    ),
    "echoed": (user("u1", "x"), answer("a1"), user("u1", "x"), answer("a2", parentUuid="u1")),
}


@pytest.mark.parametrize("records", GROWING.values(), ids=GROWING)
def test_message_that_is_not_pending_stays_as_it_is_while_the_file_grows(
    read: Read, records: Sequence[Object]
) -> None:
    whole = only(read(*records)).messages
    assert [message["id"] for message in whole if "pending" in message] == []
    for length in range(1, len(records)):
        found = only(read(*records[:length])).messages
        settled = [message for message in found if "pending" not in message]
        assert settled == whole[: len(settled)]


def test_pending_prompt_has_the_same_id_in_every_state(read: Read) -> None:
    start = (user("u1", "x"), queue("enqueue", "more", timestamp="2026-03-01T10:00:02.000Z"))
    states = [start, (*start, answer("a1")), (*start, queue("remove"), answer("a1"))]
    ids = {
        message["id"]
        for state in states
        for message in only(read(*state)).messages
        if message["content"] == "more"
    }
    assert len(ids) == 1


# Commands that no model saw, and what the program took back


def test_local_command_is_a_user_message_and_its_output_a_system_message(read: Read) -> None:
    local: Object = {"type": "system", "subtype": "local_command", "sessionId": "s1"}
    found = read(
        local | {"uuid": "c1", "content": COMMAND.format("code-review", "src")},
        local
        | {"uuid": "c2", "content": "<local-command-stdout>2 findings</local-command-stdout>"},
        user("u1", "Fix both"),
    )
    roles = [(message["role"], message["id"]) for message in only(found).messages]
    assert roles == [("user", "c1"), ("system", "c2"), ("user", "u1")]
    assert only(found).messages[1]["subtype"] == "local_command"
    assert only(found).title == "/code-review src"


def test_message_that_the_program_retracted_is_kept_and_marked(read: Read) -> None:
    refusal: Object = {"type": "system", "sessionId": "s1", "retractedMessageUuids": ["a1"]}
    found = read(user("u1", "x"), answer("a1"), refusal, answer("a2"))
    assert [message.get("taken_back") for message in only(found).messages] == [None, True, None]


# One record written twice


def test_record_that_is_written_twice_is_one_message(read: Read) -> None:
    copied: Object = {"forkedFrom": {"sessionId": "s0", "messageUuid": "u1"}}
    found = read(user("u1", "x", **copied), answer("a1"), user("u1", "x", cwd="/p"))
    first, _ = only(found).messages
    assert (first["forkedFrom"], first["cwd"]) == (copied["forkedFrom"], "/p")
    assert found.report.bookkeeping == {"user (again)": 1}


def test_two_records_with_one_uuid_and_other_words_are_two_messages(read: Read) -> None:
    found = read(user("u1", "x"), user("u1", "y"))
    assert [message["id"] for message in only(found).messages] == ["u1", "u1~2"]


# Sub-agents


def agent(uuid: str, content: str, **more: JsonValue) -> Object:
    return user(uuid, content, isSidechain=True, **more)


def test_sub_agent_is_a_session_of_its_own_with_a_parent(tmp_path: Path) -> None:
    folder = tmp_path / "s1" / "subagents"
    written_lines(
        folder / "agent-a7.meta.json", {"agentType": "Explore", "description": "Find callers"}
    )
    path = written_lines(folder / "agent-a7.jsonl", agent("b1", "List the callers", agentId="a7"))
    session = only(read_transcript(path))
    assert (session.session_id, session.title) == ("s1-agent-a7", "Find callers")
    source = session.source
    assert source["parent"] == {"session_id": "s1"}
    assert source["facts"] == {
        "agent_id": "a7",
        "agent": {"agentType": "Explore", "description": "Find callers"},
    }


@pytest.mark.parametrize("folder", ["subagents", "subagents/workflows/w1"])
def test_sub_agent_that_names_only_itself_belongs_to_the_session_of_its_folder(
    read: Read, folder: str
) -> None:
    record = agent("b1", "Search", agentId="a7", sessionId="agent-a7")
    session = only(read(record, name=f"s1/{folder}/agent-a7.jsonl"))
    assert session.session_id == "s1-agent-a7"
    assert session.source["parent"] == {"session_id": "s1"}


def test_sub_agent_without_a_parent_has_its_own_name(read: Read) -> None:
    session = only(read(agent("b1", "Search", agentId="a7", sessionId="agent-a7")))
    assert session.session_id == "agent-a7"
    assert "parent" not in session.source


def test_side_chains_in_an_old_file_are_sessions_named_by_their_first_record(
    read: Read,
) -> None:
    found = read(
        user("u1", "Do both"),
        agent("b1", "First"),
        agent("c1", "Second"),
        answer("b2", parentUuid="b1", isSidechain=True),
        answer("c2", parentUuid="c1", isSidechain=True),
        answer("a1", parentUuid="u1"),
    )
    ids = {item.session_id: [said["id"] for said in item.messages] for item in found.sessions}
    assert ids == {"s1": ["u1", "a1"], "s1-agent-b1": ["b1", "b2"], "s1-agent-c1": ["c1", "c2"]}


def test_session_keeps_its_id_though_the_folder_of_its_agents_comes_first(tmp_path: Path) -> None:
    records = [user("u1", "Refactor", isSidechain=False)]
    main = written_lines(tmp_path / "projects" / "s1.jsonl", *records)
    written_lines(
        tmp_path / "projects" / "s1" / "subagents" / "agent-a7.jsonl",
        agent("b1", "List the callers", agentId="a7"),
    )
    with SessionStore(tmp_path / "store") as store:
        import_paths(store, [tmp_path / "projects"])
        written_lines(main, *records, answer("a1"))
        import_paths(store, [tmp_path / "projects"])
        counts = {item.session_id: item.message_count for item in store.list()}
    assert counts == {"s1": 2, "s1-agent-a7": 1}


# Links


def test_parent_is_the_nearest_message_and_the_name_in_the_source_is_kept(read: Read) -> None:
    hook: Object = {"type": "progress", "uuid": "p1", "parentUuid": "u1", "sessionId": "s1"}
    boundary: Object = {
        "type": "system",
        "uuid": "y1",
        "parentUuid": None,
        "logicalParentUuid": "a1",
        "sessionId": "s1",
    }
    found = read(
        user("u1", "x", parentUuid=None),
        hook,
        answer("a1", parentUuid="p1"),
        boundary,
        user("u2", "y", parentUuid="y1"),
        answer("a2", parentUuid="elsewhere"),
    )
    links = [
        (message.get("parentUuid"), message.get("source_parentUuid"))
        for message in only(found).messages
    ]
    assert links == [(None, None), ("u1", "p1"), ("a1", "y1"), ("elsewhere", None)]


def test_records_that_name_each_other_as_parent_end_nowhere(read: Read) -> None:
    loop: Object = {"type": "progress", "sessionId": "s1"}
    found = read(
        loop | {"uuid": "p1", "parentUuid": "p2"},
        loop | {"uuid": "p2", "parentUuid": "p1"},
        user("u1", "x", parentUuid="p1"),
    )
    (message,) = only(found).messages
    assert (message["parentUuid"], message["source_parentUuid"]) == (None, "p1")


def test_resumed_session_goes_on_from_the_session_that_its_file_begins_with(read: Read) -> None:
    found = read(
        user("u1", "Old", sessionId="old", parentUuid=None),
        answer("a1", sessionId="old", parentUuid="u1"),
        user("u2", "New", parentUuid="a1"),
        answer("a2", parentUuid="u2"),
    )
    old, new = found.sessions
    assert (old.session_id, len(old.messages), old.forked_from) == ("old", 2, {})
    assert (new.session_id, len(new.messages)) == ("s1", 2)
    assert new.forked_from == {"session_id": "old", "message_id": "a1"}


def test_branch_goes_on_from_the_last_message_that_it_copied(read: Read) -> None:
    copies = [
        user("u1", "x", forkedFrom={"sessionId": "s0", "messageUuid": "u1"}),
        answer("a1", forkedFrom={"sessionId": "s0", "messageUuid": "a1"}),
    ]
    session = only(read(*copies, user("u2", "y")))
    assert session.forked_from == {"session_id": "s0", "message_id": "a1"}


# Titles


CAVEAT = "Caveat: The messages below were generated by the user while running local commands."
PRINTED = block("local-command-stdout", "")


@pytest.mark.parametrize(
    ("texts", "title"),
    [
        ([block("local-command-caveat", "Caveat: made by commands."), "Why red?"], "Why red?"),
        (
            ["Caveat: The messages below were generated by the user while running local commands"],
            "",
        ),
        ([COMMAND.format("clear", ""), PRINTED, "Why red?"], "Why red?"),
        ([COMMAND.format("clear", ""), PRINTED], "/clear"),
        ([COMMAND.format("add-dir", "/w"), PRINTED, "Why red?"], "/add-dir /w"),
        ([COMMAND.format("init", ""), "go on"], "/init"),
        (["<command-message>x is running</command-message>\n" + COMMAND.format("x", "")], "/x"),
        (["This session is being continued from a previous conversation that", "Fix"], "Fix"),
        (["[Request interrupted by user for tool use]", "Do it slowly"], "Do it slowly"),
        ([block("system-reminder", "hook") + "Real words"], "Real words"),
        (["Real words" + block("system-reminder", "hook")], "Real words"),
        (["<system-reminder>never closed", "Real words"], "Real words"),
        ([block("ide_opened_file", "a.py") + "\nExplain it"], "Explain it"),
        ([block("task-notification", "done"), "Thanks"], "Thanks"),
        ([block("bash-input", "make test")], "! make test"),
        ([block("user-prompt-submit-hook", "x"), "Words"], "Words"),
    ],
)
def test_title_is_what_a_person_typed_first(read: Read, texts: list[str], title: str) -> None:
    records = [user(f"u{number}", text) for number, text in enumerate(texts)]
    session = only(read(*records, answer("a1")))
    assert session.title == (title or "answer a1")


@pytest.mark.parametrize("text", ["Compare <b>bold</b> with <my-tag>x</my-tag>", "Use Warmup"])
def test_title_stays_empty_where_the_first_text_was_typed(read: Read, text: str) -> None:
    session = only(read(user("u1", text)))
    assert (session.title, session.made_title) == (None, text)


@pytest.mark.parametrize(
    "more", [{"isMeta": True}, {"isCompactSummary": True}, {"origin": {"kind": "peer"}}]
)
def test_title_is_not_what_the_program_said_in_a_persons_place(read: Read, more: Object) -> None:
    session = only(read(user("u1", "Summary", **more), user("u2", "Fix")))
    assert session.title == "Fix"


def test_title_of_a_session_in_which_nobody_spoke_says_so(read: Read) -> None:
    session = only(read(user("u1", "[Request interrupted by user]")))
    assert session.title == "(no prompt)"


def test_title_of_a_side_chain_is_not_its_warm_up(read: Read) -> None:
    session = only(read(agent("b1", "Warmup", agentId="a7")))
    assert session.title == "agent-a7"


def test_title_of_the_index_beside_goes_before_words_and_after_the_files_own(
    read: Read,
    tmp_path: Path,
) -> None:
    entry: Object = {"sessionId": "s1", "summary": "About x", "firstPrompt": "x"}
    index = tmp_path / "sessions-index.json"
    index.write_text(json.dumps({"entries": [{"sessionId": "s2"}, entry]}), encoding="utf-8")
    assert only(read(user("u1", "x"))).title == "About x"
    own: Object = {"type": "ai-title", "sessionId": "s1", "aiTitle": "Made"}
    assert only(read(user("u1", "x"), own)).title == "Made"
    given = {"entries": [entry | {"customTitle": "Given"}]}
    index.write_text(json.dumps(given), encoding="utf-8")
    assert only(read(user("u1", "x"), own)).title == "Given"


def test_title_that_comes_late_is_the_title(read: Read) -> None:
    made: Object = {"type": "ai-title", "sessionId": "s1", "aiTitle": "Parser repair"}
    own: Object = {"type": "custom-title", "sessionId": "s1", "customTitle": "My own name"}
    said_so = [user("u1", "Fix it"), answer("a1")]
    titles = [only(read(*said_so, *more)).title for more in ([], [made], [made, own])]
    assert titles == [None, "Parser repair", "My own name"]


# Facts and copies


def test_model_is_one_that_answered(read: Read) -> None:
    spoken: JsonValue = {"role": "assistant", "model": "<synthetic>", "content": "No response"}
    real: JsonValue = {"role": "assistant", "model": "m", "content": "Yes"}
    found = read(answer("a1", message=spoken), answer("a2", message=real))
    assert only(found).source["model"] == "m"


def test_data_of_an_image_that_was_read_stands_once(read: Read) -> None:
    image: JsonValue = {"type": "image", "source": {"type": "base64", "data": "eHh4"}}
    result: JsonValue = {"type": "tool_result", "tool_use_id": "t1", "content": [image]}
    copy: JsonValue = {"type": "image", "file": {"base64": "eHh4", "originalSize": 3}}
    (message,) = only(read(user("u1", [result], toolUseResult=copy))).messages
    assert json.dumps(message).count("eHh4") == 1
    assert message["toolUseResult"] == {"type": "image", "file": {"originalSize": 3}}


@pytest.mark.parametrize("path", sorted(TRANSCRIPTS.glob("claude/*.jsonl")), ids=lambda at: at.name)
def test_every_record_of_a_real_file_is_a_message_or_counted(path: Path) -> None:
    report = read_transcript(path).report
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    counted = sum(report.bookkeeping.values()) + len(report.bad_lines)
    assert report.messages + counted == len(lines)


@pytest.mark.parametrize(
    ("name", "loose"), [("ccviewer-1af7fc5e.jsonl", 0), ("entire-48b429896bcb-0.jsonl", 0)]
)
def test_every_parent_in_a_real_file_is_a_message(name: str, loose: int) -> None:
    messages: list[Message] = [
        message
        for session in read_transcript(TRANSCRIPTS / "claude" / name).sessions
        for message in session.messages
    ]
    parents = [message["parentUuid"] for message in messages if message.get("parentUuid")]
    ids = {message["id"] for message in messages}
    assert len([parent for parent in parents if parent not in ids]) == loose
