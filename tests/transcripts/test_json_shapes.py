"""JSON of programs with a value of another type anywhere, and what each format leaves to others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localsessions.transcripts import FORMATS
from localsessions.transcripts.source import Source, read_sources
from localsessions.transcripts.transcript import sessions_of

from .shapes import places, replaced, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

    from localsessions.transcripts import Format

EXAMPLES = Path(__file__).parents[2] / "examples" / "transcripts"
FORMAT_OF = {form.name: form for form in FORMATS}
NAMES = [
    "atif",
    "chatgpt-export",
    "claude-ai-export",
    "copilot-events",
    "llama-factory",
    "mini-swe-agent-traj",
]
NAMES += [
    "cline-task",
    "cline-ui",
    "cline-messages",
    "roo-task",
    "roo-ui",
    "sharegpt",
    "swe-agent-traj",
    "vscode-chat",
    "vscode-chat-log",
]

SHAPES: list[tuple[str, JsonValue]] = [
    (
        "atif",
        {
            "schema_version": "ATIF-v1.8",
            "trajectory_id": "t",
            "agent": {"name": "a", "model_name": "m"},
            "steps": [
                {
                    "step_id": 1,
                    "source": "agent",
                    "message": [{"type": "text", "text": "hi"}],
                    "reasoning_content": "hm",
                    "tool_calls": [{"tool_call_id": "c", "function_name": "f", "arguments": {}}],
                    "observation": {"results": [{"source_call_id": "c", "content": "r"}]},
                }
            ],
            "subagent_trajectories": [{"trajectory_id": "s", "steps": []}],
        },
    ),
    (
        "chatgpt-export",
        [
            {
                "conversation_id": "c",
                "title": "t",
                "current_node": "b",
                "mapping": {
                    "a": {
                        "id": "a",
                        "parent": None,
                        "children": ["b"],
                        "message": {
                            "id": "a",
                            "author": {"role": "assistant"},
                            "content": {"content_type": "code", "text": "x", "language": "y"},
                            "recipient": "python",
                            "metadata": {"model_slug": "m"},
                        },
                    },
                    "b": {
                        "id": "b",
                        "parent": "a",
                        "children": [],
                        "message": {
                            "id": "b",
                            "author": {"role": "tool", "name": "python"},
                            "content": {
                                "content_type": "multimodal_text",
                                "parts": ["p", {"content_type": "image_asset_pointer"}],
                            },
                        },
                    },
                },
            }
        ],
    ),
    (
        "claude-ai-export",
        [
            {
                "uuid": "c",
                "name": "n",
                "chat_messages": [
                    {"uuid": "0", "sender": "human", "text": "hi", "parent_message_uuid": "r"},
                    {
                        "uuid": "1",
                        "sender": "assistant",
                        "text": "t",
                        "parent_message_uuid": "0",
                        "content": [
                            {"type": "text", "text": "t"},
                            {"type": "tool_use", "id": "c", "name": "n", "input": {"q": 1}},
                            {"type": "tool_result", "tool_use_id": "c", "content": []},
                        ],
                        "attachments": [{"file_name": "f", "extracted_content": "e"}],
                    },
                ],
            }
        ],
    ),
    (
        "cline-task",
        [
            {
                "role": "user",
                "ts": 1,
                "content": [{"type": "text", "text": "<task>hi</task>"}],
            },
            {
                "role": "assistant",
                "ts": 2,
                "content": [{"type": "text", "text": "<run><a>1</a></run>"}],
                "modelInfo": {"modelId": "m"},
            },
            {"role": "user", "content": [{"type": "text", "text": "[run for 'x'] Result:"}]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "c", "name": "n", "input": {}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c", "content": "r"},
                    {"type": "text", "text": "<environment_details>"},
                ],
            },
        ],
    ),
    (
        "roo-ui",
        [
            {"ts": 1, "type": "say", "say": "text", "text": "hi", "images": ["data:,"]},
            {
                "ts": 2,
                "type": "say",
                "say": "api_req_started",
                "text": '{"request": "# Current Mode\\n<slug>code</slug>"}',
            },
            {"ts": 3, "type": "ask", "ask": "tool", "text": '{"tool": "t"}'},
            {"ts": 4, "type": "ask", "ask": "followup", "text": '{"question": "q"}'},
            {"ts": 5, "type": "say", "say": "command_output", "text": "o"},
            {"ts": 6, "type": "say", "say": "reasoning", "text": "r"},
        ],
    ),
    (
        "cline-messages",
        {
            "version": 1,
            "updated_at": "u",
            "agent": "lead",
            "sessionId": "s",
            "origin": {"sessionId": "o", "parentThreadId": "p"},
            "system_prompt": "p",
            "messages": [
                {
                    "id": "m",
                    "role": "assistant",
                    "ts": 1,
                    "modelInfo": {"id": "m"},
                    "content": [
                        {"type": "thinking", "thinking": "t"},
                        {"type": "tool_use", "id": "c", "name": "n", "input": {}},
                    ],
                }
            ],
        },
    ),
    (
        "copilot-events",
        [
            {"type": "session.start", "data": {"sessionId": "s", "context": {"cwd": "/p"}}},
            {"type": "session.binary_asset", "data": {"assetId": "a", "data": "d"}},
            {
                "type": "user.message",
                "id": "1",
                "parentId": None,
                "data": {
                    "content": "hi",
                    "attachments": [{"type": "blob", "assetId": "a", "mimeType": "image/png"}],
                },
            },
            {
                "type": "assistant.message",
                "agentId": "x",
                "data": {
                    "reasoningText": "t",
                    "toolRequests": [{"toolCallId": "c", "name": "n", "arguments": {}}],
                },
            },
            {
                "type": "tool.execution_complete",
                "data": {"toolCallId": "c", "result": {"contents": [{"data": "d"}]}, "error": {}},
            },
            {"type": "tool.user_requested", "data": {"toolCallId": "u", "arguments": {"a": 1}}},
            {"type": "subagent.started", "data": {"toolCallId": "c", "agentName": "n"}},
            {"type": "permission.completed", "data": {"result": {"feedback": "f"}}},
            {"type": "system.message", "data": {"content": "c", "role": "system"}},
            {"type": "session.compaction_complete", "data": {"summaryContent": "s"}},
            {"type": "session.snapshot_rewind", "data": {"upToEventId": "1"}},
        ],
    ),
    (
        "vscode-chat",
        {
            "sessionId": "s",
            "creationDate": 1,
            "repoData": {"localBranch": "b"},
            "requests": [
                {
                    "requestId": "q",
                    "message": {"text": "hi", "parts": [{"kind": "dynamic", "text": "t"}]},
                    "variableData": {
                        "variables": [{"kind": "image", "value": {"$base64": "AA=="}}]
                    },
                    "response": [{"value": "t", "baseUri": {"path": "/p"}}, {"kind": "thinking"}],
                    "result": {
                        "metadata": {
                            "toolCallRounds": [
                                {
                                    "id": "a",
                                    "response": "r",
                                    "thinking": {"text": ["t"]},
                                    "toolCalls": [{"id": "c", "name": "n", "arguments": "{}"}],
                                }
                            ],
                            "toolCallResults": {
                                "c": {
                                    "content": [
                                        {"value": {"node": {"children": [{"type": 2}]}}},
                                        {"mimeType": "image/png", "data": {"$base64": "AA=="}},
                                    ]
                                }
                            },
                        },
                        "errorDetails": {"message": "e"},
                    },
                }
            ],
        },
    ),
    (
        "vscode-chat-log",
        [
            {
                "kind": 0,
                "v": {"creationDate": 1, "requests": [{"message": "hi", "agent": {"id": "a"}}]},
            },
            {
                "kind": 2,
                "k": ["requests", 0, "response"],
                "i": 0,
                "v": [
                    "t",
                    {
                        "kind": "toolInvocationSerialized",
                        "toolCallId": "c",
                        "toolSpecificData": {"commandLine": {"original": "ls"}},
                        "resultDetails": {"input": "{}", "output": [{"value": "o"}]},
                    },
                    {"kind": "inlineReference", "inlineReference": {"uri": {"path": "/p"}}},
                    {"kind": "questionCarousel", "data": {"a": 1}},
                ],
            },
            {"kind": 1, "k": ["requests", 0, "modelState"], "v": {"value": 0}},
            {"kind": 3, "k": ["customTitle"]},
            {"kind": 1, "k": ["pendingRequests"], "v": [{"id": "w", "request": {"message": "m"}}]},
        ],
    ),
    (
        "llama-factory",
        [
            {
                "id": "i",
                "messages": [
                    {
                        "role": "assistant",
                        "content": [
                            {"type": "text", "value": "t"},
                            {"type": "tool_call", "value": '{"name": "n", "arguments": {}}'},
                        ],
                    },
                    {"role": "tool", "content": [{"type": "text", "value": "r"}]},
                ],
            }
        ],
    ),
    (
        "swe-agent-traj",
        {
            "history": [{"role": "user", "content": "hi", "agent": "main"}],
            "trajectory": [{"response": "r", "thought": "t", "action": "a", "observation": "o"}],
            "info": {"submission": "s", "exit_status": "e"},
        },
    ),
    (
        "mini-swe-agent-traj",
        {
            "trajectory_format": "mini-swe-agent-1.1",
            "messages": [{"role": "user", "content": "hi", "extra": {"traceback": "t"}}],
            "info": {"submission": "s", "traceback": "t", "exit_status": "e"},
        },
    ),
]

WRONG: list[JsonValue] = [None, True, 7, -1.5, 1e300, "x", "\ud800", [], [None], {}, {"a": [1]}]


def read(form: Format, source: Source) -> int:
    """Read a source as a format, recognised or not; return the number of messages."""
    form.recognises(source)
    return sum(len(one.messages) for one in sessions_of(form, source, form.read(source)))


@pytest.mark.parametrize(("name", "value"), SHAPES)
def test_shape_is_read(name: str, value: JsonValue) -> None:
    source = source_of(value)
    assert FORMAT_OF[name].recognises(source)
    assert read(FORMAT_OF[name], source) > 0


@pytest.mark.parametrize(("name", "value"), SHAPES)
def test_wrong_type_anywhere_is_no_error(name: str, value: JsonValue) -> None:
    for place in places(value):
        for wrong in WRONG:
            read(FORMAT_OF[name], source_of(replaced(value, place, wrong)))


@pytest.mark.parametrize(("name", "value"), SHAPES)
def test_keys_with_any_values_are_no_error(name: str, value: JsonValue) -> None:
    keys = sorted({step for place in places(value) for step in place if isinstance(step, str)})
    texts = sorted({leaf for leaf in leaves(value) if leaf is not None}, key=repr)
    inside = st.recursive(
        st.none() | st.integers() | st.text(max_size=3) | st.sampled_from(texts),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(keys) | st.text(max_size=2), inner, max_size=6)
        ),
        max_leaves=30,
    )

    @given(inside)
    def no_error(made: JsonValue) -> None:
        read(FORMAT_OF[name], source_of(made))

    no_error()


def leaves(value: JsonValue) -> Iterator[str | int | float | None]:
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/**/*.json*")), ids=lambda path: path.name)
def test_no_two_formats_take_the_same_file(path: Path) -> None:
    (source,) = read_sources(str(path))
    assert isinstance(source, Source)
    # Messages of chat completions are the general format, and the last one that is asked.
    special = [form for form in FORMATS if form.name != "openai-messages"]
    took = [form.name for form in special if form.recognises(source)]
    assert len(took) <= 1 or not set(took) & set(NAMES)
