"""Claude.ai exports: blocks, attachments, branches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.models import message_text

from .findings import only

if TYPE_CHECKING:
    from pydantic import JsonValue

    from .conftest import Read
    from .records import Object

NO_PARENT = "00000000-0000-4000-8000-000000000000"


def spoken(own_id: str, sender: str, content: JsonValue, **more: JsonValue) -> Object:
    text = content if isinstance(content, str) else ""
    blocks = [] if isinstance(content, str) else content
    return {"uuid": own_id, "sender": sender, "text": text, "content": blocks, **more}


def chat(*messages: JsonValue, **more: JsonValue) -> Object:
    return {"uuid": "c1", "name": "Chat", "chat_messages": [*messages], **more}


def text(words: str) -> Object:
    return {"type": "text", "text": words}


def test_message_has_its_role_time_and_id(read: Read) -> None:
    asked = spoken("m1", "human", [text("Hi")], created_at="2026-08-01T10:00:01Z", files=[])
    (session,) = read([chat(asked)]).sessions
    assert session.messages == [
        {
            "id": "m1",
            "role": "user",
            "content": [text("Hi")],
            "created_at": "2026-08-01T10:00:01Z",
        }
    ]
    assert (session.session_id, session.title, session.agent_id) == ("c1", "Chat", "claude-ai")


def test_each_result_follows_its_call(read: Read) -> None:
    blocks: JsonValue = [
        {"type": "thinking", "thinking": "Search."},
        text("I search."),
        {"type": "tool_use", "id": None, "name": "web_search", "input": {"q": "x"}, "message": "…"},
        {
            "type": "tool_result",
            "name": "web_search",
            "content": [text("found")],
            "is_error": False,
        },
        text("Here."),
    ]
    at = "2026-08-01T10:00:02Z"
    called, result, answer = only(
        read(chat(spoken("m2", "assistant", blocks, created_at=at)))
    ).messages
    assert called["content"] == [{"type": "thinking", "thinking": "Search."}, text("I search.")]
    assert called["tool_calls"] == [
        {
            "id": "m2_call_1",
            "type": "function",
            "function": {"name": "web_search", "arguments": '{"q": "x"}'},
            "message": "…",
        }
    ]
    assert result == {
        "id": "m2_2",
        "role": "tool",
        "content": [text("found")],
        "created_at": at,
        "name": "web_search",
        "tool_call_id": "m2_call_1",
        "is_error": False,
    }
    assert answer == {
        "id": "m2_3",
        "role": "assistant",
        "content": [text("Here.")],
        "created_at": at,
    }


def test_old_message_without_blocks_has_its_text(read: Read) -> None:
    (message,) = only(read(chat(spoken("m1", "human", "Hi")))).messages
    assert message["content"] == "Hi"


def test_text_that_the_blocks_do_not_say_is_kept(read: Read) -> None:
    asked = spoken("m1", "human", [text("Hi")]) | {"text": "Hi, and more"}
    (message,) = only(read(chat(asked))).messages
    assert message["text"] == "Hi, and more"


def test_pasted_text_is_a_part_of_the_message(read: Read) -> None:
    attachments: JsonValue = [
        {"file_name": "paste.txt", "extracted_content": "long text"},
        {"file_name": "a.bin", "file_size": 3},
    ]
    (message,) = only(read(chat(spoken("m1", "human", "Read:", attachments=attachments)))).messages
    assert message_text(message) == "Read:\nlong text"
    assert message["content"] == [
        text("Read:"),
        {"type": "text", "text": "long text", "file_name": "paste.txt"},
        {"type": "attachment", "file_name": "a.bin", "file_size": 3},
    ]


def test_branch_that_was_replaced_is_marked_and_stays_in_its_place(read: Read) -> None:
    found = read(
        chat(
            spoken("m1", "human", "Why?", parent_message_uuid=NO_PARENT),
            spoken("m2", "assistant", "First.", parent_message_uuid="m1"),
            spoken("m3", "human", "No!", parent_message_uuid="m2"),
            spoken("m4", "human", "How?", parent_message_uuid=NO_PARENT),
            spoken("m5", "assistant", "So.", parent_message_uuid="m4"),
        )
    )
    marked = [message["id"] for message in only(found).messages if message.get("other_branch")]
    assert marked == ["m1", "m2", "m3"]


def test_leaf_that_the_conversation_names_is_shown(read: Read) -> None:
    found = read(
        chat(
            spoken("m1", "human", "Why?", parent_message_uuid=NO_PARENT),
            spoken("m2", "assistant", "First.", parent_message_uuid="m1"),
            spoken("m3", "assistant", "Second.", parent_message_uuid="m1"),
            current_leaf_message_uuid="m2",
        )
    )
    marked = [message["id"] for message in only(found).messages if message.get("other_branch")]
    assert marked == ["m3"]


def test_messages_without_parents_are_one_branch(read: Read) -> None:
    found = read(chat(spoken("m1", "human", "Why?"), spoken("m2", "assistant", "So.")))
    assert [message.get("other_branch") for message in only(found).messages] == [None, None]


def test_conversation_without_a_name_is_called_by_its_first_words(read: Read) -> None:
    assert only(read([chat(spoken("m1", "human", "Fix my code"), name="")])).title == "Fix my code"


def test_what_is_no_object_is_counted(read: Read) -> None:
    found = read([chat(spoken("m1", "human", "Hi"), None), 7])
    assert found.report.bookkeeping == {"(no object)": 2}
