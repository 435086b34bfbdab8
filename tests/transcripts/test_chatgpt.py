"""ChatGPT exports: the branch that is shown, the others, calls, what is no text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localsessions.models import message_text
from localsessions.transcripts import TranscriptFile

from .findings import only

if TYPE_CHECKING:
    from pydantic import JsonValue

    from .conftest import Read
    from .records import Object


def node(key: str, parent: str | None, children: str = "", **spoken: JsonValue) -> Object:
    message: JsonValue = {"id": f"m{key}", **spoken} if spoken else None
    kids: JsonValue = [*children]
    return {"id": key, "parent": parent, "children": kids, "message": message}


def said(role: str, content: JsonValue, **more: JsonValue) -> Object:
    if isinstance(content, str):
        content = {"content_type": "text", "parts": [content]}
    return {"author": {"role": role}, "content": content, "recipient": "all", **more}


def chat(*nodes: Object, **more: JsonValue) -> Object:
    mapping: JsonValue = {str(one["id"]): one for one in nodes}
    return {"conversation_id": "c1", "title": "Chat", "mapping": mapping, **more}


def told(found: TranscriptFile) -> list[tuple[JsonValue, str, bool]]:
    return [
        (message["id"], message_text(message), message.get("other_branch") is True)
        for message in only(found).messages
    ]


FORKED = (
    node("r", None, "q"),
    node("q", "r", "ab", **said("user", "Why?")),
    node("a", "q", "c", **said("assistant", "First.")),
    node("c", "a", "", **said("user", "No!")),
    node("b", "q", "", **said("assistant", "Second.")),
)


def test_other_branches_stand_marked_before_the_branch_that_is_shown(read: Read) -> None:
    assert told(read([chat(*FORKED, current_node="b")])) == [
        ("mq", "Why?", False),
        ("ma", "First.", True),
        ("mc", "No!", True),
        ("mb", "Second.", False),
    ]


def test_branch_that_is_shown_need_not_be_the_last(read: Read) -> None:
    assert told(read([chat(*FORKED, current_node="c")])) == [
        ("mq", "Why?", False),
        ("mb", "Second.", True),
        ("ma", "First.", False),
        ("mc", "No!", False),
    ]


def test_without_a_current_node_the_last_children_are_shown(read: Read) -> None:
    assert [other for _, _, other in told(read(chat(*FORKED)))] == [False, True, True, False]


def test_node_that_nothing_leads_to_is_kept(read: Read) -> None:
    lost = node("z", "y", "", **said("user", "Hello?"))
    circle = node("y", "z", "z")
    found = read([chat(*FORKED, lost, circle, current_node="b")])
    assert told(found)[-1] == ("mz", "Hello?", True)


def test_deep_tree_is_read(read: Read) -> None:
    keys = [str(number) for number in range(5000)]
    nodes: dict[str, JsonValue] = {
        key: {
            "id": key,
            "parent": keys[at - 1] if at else None,
            "children": [*keys[at + 1 : at + 2]],
            "message": said("user", key),
        }
        for at, key in enumerate(keys)
    }
    found = read({"conversation_id": "c", "mapping": nodes, "current_node": keys[-1]})
    assert [message_text(message) for message in only(found).messages] == keys


def test_call_and_result_are_paired(read: Read) -> None:
    code: JsonValue = {"content_type": "code", "language": "python", "text": "print(1)"}
    output: JsonValue = {"content_type": "execution_output", "text": "1"}
    found = read(
        chat(
            node("q", None, "a", **said("user", "Count.")),
            node("a", "q", "b", **said("assistant", code, recipient="python")),
            node("b", "a", "c", **said("tool", output)),
            node("c", "b", "", **said("tool", output)),
        )
    )
    _, called, *results = only(found).messages
    assert called["tool_calls"] == [
        {
            "id": "ma",
            "type": "function",
            "function": {"name": "python", "arguments": '{"input": "print(1)"}'},
        }
    ]
    assert called["content_facts"] == {"language": "python"}
    assert "content" not in called
    assert [(one["role"], one["tool_call_id"], one["content"]) for one in results] == [
        ("tool", "ma", "1"),
        ("tool", "ma", "1"),
    ]


def test_thoughts_are_reasoning(read: Read) -> None:
    thoughts: JsonValue = {
        "content_type": "thoughts",
        "thoughts": [{"summary": "Plan", "content": "Look.", "chunks": ["Lo", "ok."]}],
    }
    recap: JsonValue = {"content_type": "reasoning_recap", "content": "Thought for 3s"}
    found = read(
        chat(
            node("a", None, "b", **said("assistant", thoughts)),
            node("b", "a", "", **said("assistant", recap)),
        )
    )
    assert [message["content"] for message in only(found).messages] == [
        [{"type": "thinking", "thinking": "**Plan** Look."}],
        [{"type": "thinking", "thinking": "Thought for 3s"}],
    ]


def test_what_was_spoken_is_a_text_and_a_picture_keeps_its_pointer(read: Read) -> None:
    parts: JsonValue = [
        {"content_type": "audio_transcription", "text": "Hello there", "direction": "in"},
        {"content_type": "image_asset_pointer", "asset_pointer": "file-service://f1"},
    ]
    content: JsonValue = {"content_type": "multimodal_text", "parts": parts}
    found = read(chat(node("a", None, "", **said("user", content)), title=None))
    (message,) = only(found).messages
    assert message_text(message) == "Hello there"
    assert message["content"][1] == {  # type: ignore[index]
        "type": "image_asset_pointer",
        "content_type": "image_asset_pointer",
        "asset_pointer": "file-service://f1",
    }
    assert only(found).title == "Hello there"


def test_instructions_of_the_account_are_of_the_system(read: Read) -> None:
    context: JsonValue = {"content_type": "user_editable_context", "user_instructions": "Be brief."}
    found = read(chat(node("a", None, "", **said("user", context)), title="New chat"))
    (message,) = only(found).messages
    assert (message["role"], message["source_role"], message["content"]) == (
        "system",
        "user",
        "Be brief.",
    )
    assert only(found).title is None


def test_content_of_an_unknown_kind_is_kept(read: Read) -> None:
    quote: JsonValue = {"content_type": "tether_quote", "text": "A.", "url": "u", "extra": [1]}
    (message,) = only(read(chat(node("a", None, "", **said("tool", quote))))).messages
    assert (message["content"], message["content_type"], message["content_facts"]) == (
        "A.",
        "tether_quote",
        {"url": "u", "extra": [1]},
    )


def test_empty_nodes_are_counted(read: Read) -> None:
    found = read([chat(node("r", None, "s"), node("s", "r", "", **said("system", ""))), 7])
    assert found.report.bookkeeping == {"(empty node)": 2, "(no object)": 1}
    assert found.report.skipped == "holds no messages"


def test_session_has_the_facts_of_its_conversation(read: Read) -> None:
    asked = said("user", "Hi", create_time=1784164540.5)
    told_by: JsonValue = {"model_slug": "m2"}
    answer = said("assistant", "Hello", metadata=told_by)
    found = read(chat(node("a", None, "b", **asked), node("b", "a", "", **answer), gizmo_id="g-1"))
    session = only(found)
    assert (session.session_id, session.title, session.agent_id) == ("c1", "Chat", "chatgpt")
    assert (session.source["model"], session.source["facts"]) == ("m2", {"gizmo_id": "g-1"})
    assert session.messages[0]["created_at"] == "2026-07-16T01:15:40.500Z"
    assert session.messages[1]["model"] == "m2"
