"""LocalConversationStore under pydantic-ai, and beside its own InMemoryConversationStore."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import is_dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import needs
import pytest
from document.places import PLACES, place_of
from document.values import TEXTS, nested
from hypothesis import given, settings
from hypothesis import strategies as st

from localsessions import SessionStore, UnreadableSessionError, UnstorableValueError
from localsessions.adapters.document import session_id_for, speech_of, summaries

if lacking := needs.of_module("pydantic ai"):
    pytest.skip(lacking, allow_module_level=True)

from pydantic_ai import Agent, DeferredToolRequests, messages
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import (
    ConversationConflict,
    ConversationEntry,
    ConversationRecord,
    ConversationStore,
    InMemoryConversationStore,
)
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelRequest, ModelResponse
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage, RunUsage

from localsessions.adapters.pydantic_ai import LocalConversationStore, conversation_store
from localsessions.adapters.pydantic_ai.entries import Stored, entries_of, message_of
from localsessions.adapters.pydantic_ai.shape import SHAPE

AT = datetime(2026, 11, 30, 12, 0, 0, 123456, tzinfo=UTC)
PNG = messages.BinaryContent(data=b"\xff\xfe\xfd\xfb\xff", media_type="image/png")
FILES: list[Any] = [
    PNG,
    messages.BinaryContent(data=b"%PDF", media_type="application/pdf", identifier="report"),
    messages.BinaryContent(data=b"", media_type="audio/wav", vendor_metadata={"detail": None}),
    messages.ImageUrl(url="https://a/b.png", vendor_metadata={"detail": "low"}),
    messages.ImageUrl(url="data:image/png;base64,QQ==", media_type="image/png"),
    messages.DocumentUrl(url="https://a/b.pdf", force_download=True),
    messages.AudioUrl(url="https://a/b.mp3"),
    messages.VideoUrl(url="https://a/b.mp4"),
]
SILENT: list[Any] = [
    messages.CachePoint(ttl="1h"),
    messages.UploadedFile(file_id="file-1", provider_name="openai"),
]
CALL = messages.ToolCallPart(tool_name="weather", args={"city": "Oslo"}, tool_call_id="c1")
OUTPUT = messages.ToolReturnPart(
    tool_name="weather", content="sunny in Oslo", tool_call_id="c1", timestamp=AT
)


def asked(text: str = "How is the weather?", **fields: Any) -> ModelRequest:
    return ModelRequest(parts=[messages.UserPromptPart(content=text, timestamp=AT)], **fields)


def answered(text: str = "It is sunny.", **fields: Any) -> ModelResponse:
    return ModelResponse(parts=[messages.TextPart(content=text)], timestamp=AT, **fields)


TURN: list[Any] = [
    asked(instructions="Be brief.", run_id="r1", conversation_id="s"),
    ModelResponse(
        parts=[
            messages.ThinkingPart(content="I ask the tool.", signature="c2ln", provider_name="a"),
            messages.TextPart(content="One moment."),
            CALL,
        ],
        usage=RequestUsage(input_tokens=9, output_tokens=4, details={"x": 1}),
        model_name="m",
        timestamp=AT,
        run_id="r1",
    ),
    ModelRequest(parts=[OUTPUT], run_id="r1", timestamp=AT, instructions="Be brief."),
    answered(run_id="r1", finish_reason="stop", provider_details={"logprobs": None}),
]
ODD: list[Any] = [
    ModelRequest(parts=[]),
    ModelResponse(parts=[], timestamp=AT),
    ModelRequest(
        parts=[
            messages.SystemPromptPart(content="You are a forecaster.", timestamp=AT),
            messages.SystemPromptPart(content="Be kind.", timestamp=AT, dynamic_ref="f"),
        ]
    ),
    ModelRequest(
        parts=[
            messages.SystemPromptPart(content="You are a forecaster.", timestamp=AT),
            messages.UserPromptPart(
                content=["Look", *SILENT[:1], *FILES, *SILENT, "twice"], timestamp=AT
            ),
            messages.UserPromptPart(content=[], timestamp=AT),
        ],
        metadata={"a": None, "role": "user"},
    ),
    ModelRequest(
        parts=[
            OUTPUT,
            replace(OUTPUT, tool_call_id="c2", content={"ok": True, "n": None}, metadata={"a": 1}),
            replace(OUTPUT, tool_call_id="c3", content=["a map", PNG]),
            replace(OUTPUT, tool_call_id="c4", content=None, outcome="failed"),
            replace(OUTPUT, tool_call_id="c5", content=[]),
            messages.UserPromptPart(content="And tomorrow?", timestamp=AT),
        ]
    ),
    ModelRequest(
        parts=[
            messages.RetryFeedbackPart(
                content="Answer in JSON.",
                retry=messages.RetryInfo(cause="validation_error", attempt=1, max_retries=2),
                timestamp=AT,
            )
        ]
    ),
    ModelResponse(
        parts=[
            messages.NativeToolCallPart(
                tool_name="web_search", args={"q": "Oslo"}, tool_call_id="n", provider_name="openai"
            ),
            messages.NativeToolReturnPart(
                tool_name="web_search", content=[{"url": "a"}], tool_call_id="n", timestamp=AT
            ),
            messages.CompactionPart(content="They spoke of Oslo.", provider_name="anthropic"),
            messages.FilePart(content=PNG, id="f"),
            messages.TextPart(content=""),
            replace(CALL, args='{"city": "Rome"}', id="fc_1", provider_details={"k": None}),
            replace(CALL, args=None),
            replace(CALL, args="no JSON"),
        ],
        timestamp=AT,
    ),
    ModelResponse(
        parts=[
            messages.SpeechPart(speaker="assistant", transcript="Sunny.", interrupted_at_ms=3),
            messages.SpeechPart(speaker="assistant", audio=FILES[2]),
        ],
        timestamp=AT,
    ),
]
FOUND: Any = {"discovered_tools": [{"name": "weather"}], "message": "one"}
RARE: list[Any] = [
    ModelRequest(
        parts=[
            messages.InstructionBaselinePart(
                instructions=[
                    messages.InstructionPart(content="Be brief.", name="rule"),
                    messages.InstructionDigest(content_hash="h"),
                ]
            ),
            messages.InstructionDeltaPart(id=None, content=None, base_hash="h"),
            messages.ModelSettingsDeltaPart(settings={"thinking": "low"}, top_level=True),
            messages.ToolAvailabilityDeltaPart(tools_added=["weather"]),
            messages.CapabilityLoadDeltaPart(loaded=["maps"], tool_call_id="c8"),
        ],
        timestamp=AT,
    ),
    ModelRequest(
        parts=[
            messages.ToolSearchReturnPart(content=FOUND, tool_call_id="c6", timestamp=AT),
            messages.LoadCapabilityReturnPart(
                content={"instructions": "Use maps."}, tool_call_id="c7", timestamp=AT
            ),
            messages.CompactionPart(content="They spoke of Oslo."),
            messages.SpeechPart(speaker="user", transcript="And tomorrow?"),
            messages.UserPromptPart(
                content=[
                    messages.TextContent(content="Look at this.", metadata={"a": None}),
                    messages.StructuredContent(value={"city": "Oslo"}, tag="place"),
                ],
                timestamp=AT,
            ),
        ]
    ),
    ModelResponse(
        parts=[
            messages.ToolSearchCallPart(args={"queries": ["weather"]}, tool_call_id="c6"),
            messages.LoadCapabilityCallPart(args={"id": "maps"}, tool_call_id="c7"),
            messages.NativeToolSearchCallPart(args={"queries": ["rain"]}, tool_call_id="c9"),
            messages.NativeToolSearchReturnPart(content=FOUND, tool_call_id="c9", timestamp=AT),
            messages.TextPart(
                content="Sunny, they say.",
                citations=[
                    messages.Citation(
                        sources=[messages.WebCitationSource(url="https://a", excerpts=["sunny"])],
                        anchor=messages.ContentCitationAnchor(start=0, end=5),
                    )
                ],
            ),
        ],
        timestamp=AT,
        workspace_ref=messages.WorkspaceRef(provider="local", id="w"),
        failed_attempts=[
            messages.ModelRequestAttempt(
                model_name="m", outcome="error", timestamp=AT, duration=timedelta(seconds=1)
            )
        ],
    ),
]


# -- fidelity ------------------------------------------------------------------------------------

ARGS = TEXTS | st.none() | st.dictionaries(TEXTS, nested(TEXTS | st.none() | st.integers(-9, 9)))
ANY = nested(
    TEXTS | st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.binary()
)
CONTENT = TEXTS | st.lists(TEXTS | st.sampled_from([*FILES, *SILENT]), max_size=4)
DETAILS = st.none() | st.dictionaries(TEXTS, ANY, max_size=2)
REQUEST_PARTS = st.one_of(
    st.builds(messages.SystemPromptPart, TEXTS, timestamp=st.just(AT), metadata=DETAILS),
    st.builds(messages.UserPromptPart, CONTENT, timestamp=st.just(AT)),
    st.builds(
        messages.ToolReturnPart,
        TEXTS,
        ANY | CONTENT,
        TEXTS,
        timestamp=st.just(AT),
        metadata=ANY,
        outcome=st.sampled_from(["success", "failed", "denied"]),
    ),
    st.sampled_from([part for message in ODD[:6] for part in message.parts]),
)
RESPONSE_PARTS = st.one_of(
    st.builds(messages.TextPart, TEXTS, id=st.none() | TEXTS, provider_details=DETAILS),
    st.builds(messages.ThinkingPart, TEXTS, signature=st.none() | TEXTS, id=st.none() | TEXTS),
    st.builds(messages.ToolCallPart, TEXTS, ARGS, TEXTS, provider_details=DETAILS),
    st.builds(messages.NativeToolCallPart, TEXTS, ARGS, TEXTS, provider_name=st.none() | TEXTS),
    st.builds(messages.NativeToolReturnPart, TEXTS, ANY, TEXTS, timestamp=st.just(AT)),
    st.sampled_from([part for message in ODD[6:] for part in message.parts]),
)
RUNS: Any = {"run_id": st.none() | TEXTS, "conversation_id": st.none() | TEXTS, "metadata": DETAILS}
MESSAGES = st.one_of(
    st.builds(
        ModelRequest,
        st.lists(REQUEST_PARTS, max_size=4),
        timestamp=st.none() | st.just(AT),
        instructions=st.none() | TEXTS,
        **RUNS,
    ),
    st.builds(
        ModelResponse,
        st.lists(RESPONSE_PARTS, max_size=4),
        usage=st.builds(RequestUsage, input_tokens=st.integers(0, 9), output_tokens=st.just(2)),
        timestamp=st.just(AT),
        provider_details=DETAILS,
        **RUNS,
    ),
)


def given_back(written: Sequence[Any]) -> bytes:
    """What pydantic-ai's own way gives back, as a text that is the same only for equal messages."""
    dumped = ModelMessagesTypeAdapter.dump_json([*written])
    back: bytes = ModelMessagesTypeAdapter.dump_json(ModelMessagesTypeAdapter.validate_json(dumped))
    return back


def through_a_message(message: Any) -> Any:
    made = message_of(ConversationEntry(id="e", parent_id=None, message=message))
    stored = json.loads(json.dumps(made))
    [entry] = entries_of([Stored("e", None, stored)], "s")
    assert (entry.id, entry.parent_id) == ("e", None)
    return entry.message


@pytest.mark.parametrize("message", RARE, ids=["changes", "request", "response"])
def test_rare_kinds_of_parts_come_back_too(message: Any) -> None:
    back = ModelMessagesTypeAdapter.dump_json([through_a_message(message)])
    assert back == given_back([message])


def test_every_kind_of_part_is_tried() -> None:
    parts = [part for message in (*TURN, *ODD, *RARE) for part in message.parts]
    wanted = {*kinds_in((messages.ModelRequestPart, messages.ModelResponsePart))}
    # It is not written any more: one that is read becomes one of two others.
    assert wanted - {type(part) for part in parts} == {messages.RetryPromptPart}


def kinds_in(kind: Any) -> Iterator[type]:
    if isinstance(kind, type) and is_dataclass(kind):
        yield kind
        return
    for inside in kind if isinstance(kind, tuple) else get_args(kind):
        yield from kinds_in(inside)


def test_a_part_of_an_older_version_is_read_as_pydantic_ai_reads_it() -> None:
    with pytest.warns(Warning, match="`RetryPromptPart` is deprecated"):
        old = messages.RetryPromptPart(content="again", tool_name="f", tool_call_id="c")
    old.timestamp = AT
    message = ModelRequest(parts=[old])
    back = ModelMessagesTypeAdapter.dump_json([through_a_message(message)])
    assert back == given_back([message])


@given(st.sampled_from([*TURN, *ODD, *RARE]) | MESSAGES)
@settings(max_examples=250)
def test_every_message_comes_back_as_the_type_adapter_gives_it_back(message: Any) -> None:
    expected = given_back([message])
    assert ModelMessagesTypeAdapter.dump_json([through_a_message(message)]) == expected


@pytest.mark.parametrize(
    "message", [*TURN, *ODD[2:], *RARE[1:]], ids=lambda one: type(one.parts[0]).__name__
)
def test_a_message_is_split_into_fields_and_no_text_of_it_stands_twice(message: Any) -> None:
    made = message_of(ConversationEntry(id="e", parent_id=None, message=message))
    rest: Any = made["pydantic_ai"]
    assert "$item" not in rest
    assert "$at" not in rest
    stored = json.dumps(made)
    said = [part.content for part in message.parts if hasattr(part, "content")]
    listed = [one for some in said for one in (some if isinstance(some, list) else [some])]
    texts = {one for one in listed if isinstance(one, str) and len(one) > 4}
    assert [one for one in texts if stored.count(one) > 1] == []


class Both(ConversationStore):
    """Asks ours and theirs the same, and compares what they answer."""

    def __init__(self, ours: ConversationStore) -> None:
        self.ours, self.theirs = ours, InMemoryConversationStore()

    async def both(self, ask: Callable[[ConversationStore], Awaitable[Any]]) -> Any:
        try:
            expected = await ask(self.theirs)
        except (ConversationConflict, LookupError) as error:
            with pytest.raises(type(error)):
                await ask(self.ours)
            raise
        try:
            answer = await ask(self.ours)
        except Exception as error:
            raise AssertionError(f"theirs answers {expected}") from error
        assert answer == expected
        return answer

    async def read_record(self, conversation_id: str) -> Any:
        return await self.both(lambda store: store.read_record(conversation_id))

    async def read_records(self, *, scope: str | None = None, limit: int | None = None) -> Any:
        return await self.both(lambda store: store.read_records(scope=scope, limit=limit))

    async def write_record(
        self, record: Any, *, new_entries: Any = (), expected_revision: str | None
    ) -> None:
        await self.both(
            lambda store: store.write_record(
                record, new_entries=new_entries, expected_revision=expected_revision
            )
        )

    async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
        await self.both(
            lambda store: store.delete_record(conversation_id, expected_revision=expected_revision)
        )

    async def read_entry(self, entry_id: str) -> Any:
        return await self.both(lambda store: store.read_entry(entry_id))

    async def read_history(self, head_id: str | None, *, limit: int | None = None) -> Any:
        return await self.both(lambda store: store.read_history(head_id, limit=limit))


NAMES = st.sampled_from(["a", "A", "tenant/b"])
SCOPES = st.sampled_from([None, "ann", "bob"])
ACTS = st.one_of(
    st.tuples(st.just("turn"), NAMES, st.sampled_from([None, 0, 1, 3]), SCOPES),
    st.tuples(st.just("rewrite"), NAMES, st.integers(0, 3), SCOPES),
    st.tuples(st.just("branch"), NAMES, st.integers(0, 3), SCOPES),
    st.tuples(st.just("back"), NAMES, st.integers(0, 3), SCOPES),
    st.tuples(st.just("fork"), NAMES, st.integers(0, 3), SCOPES),
    st.tuples(st.just("delete"), NAMES, st.just(None), SCOPES),
)


NUMBERS = iter(range(100_000))


async def act(store: Both, kind: str, name: str, number: Any, scope: str | None) -> None:
    if kind in ("turn", "rewrite"):
        limit = number if kind == "turn" else None
        conversation = await store.load(name, limit=limit) or Conversation(conversation_id=name)
        if kind == "rewrite":
            rest = conversation.messages[number:]
            conversation = replace(conversation, messages=rest, new_message_index=None)
        text = f"said {next(NUMBERS)}"
        conversation.messages = [*conversation.messages, asked(text), answered(text)]
        conversation.usage = conversation.usage + RunUsage(requests=1)
        await store.save(conversation, scope=scope)
    elif kind == "delete":
        await store.delete(name, scope=scope)
    elif kind == "fork":
        await store.fork(name, at=number, scope=scope)
    elif record := await store.read_record(name):
        at: dict[str, Any] = {"at": number}
        if kind == "back" and record.branches:
            at = {"from_entry": record.branches[number % len(record.branches)]}
        await store.branch(name, **at, expected_revision=record.revision)


async def all_acts(store: Both, acts: list[Any]) -> None:
    for one in acts:
        with contextlib.suppress(UserError):  # a conflict, and a branch of too many messages
            await act(store, *one)
        for record in await store.list_conversations():
            await store.load_entries(record.conversation_id)
            await store.load_entries(record.conversation_id, limit=2)
            for entry_id in record.branches:
                await store.read_entry(entry_id)
                await store.read_history(entry_id, limit=1)
    await store.list_conversations(scope="ann", limit=1)


def test_every_verb_does_what_it_does_in_the_frameworks_own_store(tmp_path: Path) -> None:
    @given(st.lists(ACTS, min_size=3, max_size=9))
    @settings(max_examples=25)
    def of_any_order(acts: list[Any]) -> None:
        with SessionStore(tmp_path / str(next(NUMBERS)), durability="fast") as sessions:
            asyncio.run(all_acts(Both(LocalConversationStore(sessions)), acts))

    of_any_order()


def test_a_record_is_written_and_deleted_only_over_the_revision_that_is_named(place: str) -> None:
    both = Both(LocalConversationStore(place))
    entries = [ConversationEntry(id=str(n), parent_id=None, message=asked(str(n))) for n in "123"]
    first, second = (ConversationRecord(conversation_id="s", head_id=head) for head in "12")
    lost = ConversationRecord(conversation_id="s", head_id="lost")

    def refused(act: Awaitable[Any]) -> None:
        async def awaited() -> None:
            with pytest.raises(ConversationConflict):
                await act
            await both.read_record("s")
            await both.read_records()

        asyncio.run(awaited())

    refused(both.write_record(first, new_entries=entries[:1], expected_revision="x"))
    asyncio.run(both.write_record(first, new_entries=entries[:1], expected_revision=None))
    for expected in ("x", None):
        refused(both.write_record(second, new_entries=entries[1:2], expected_revision=expected))
    refused(both.write_record(lost, expected_revision=first.revision))
    refused(both.delete_record("s", expected_revision=second.revision))
    asyncio.run(
        both.write_record(second, new_entries=entries[1:2], expected_revision=first.revision)
    )
    refused(both.delete_record("s", expected_revision=first.revision))
    assert asyncio.run(both.read_history("2")) == entries[1:2]
    asyncio.run(both.delete_record("s", expected_revision=second.revision))
    refused(both.delete_record("s", expected_revision=second.revision))


# -- what stands in the file ---------------------------------------------------------------------


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return place_of(request.param, tmp_path)


def saved(store: ConversationStore, name: str, *said: Any, **fields: Any) -> Conversation:
    """Go on with a conversation, or begin it."""

    async def save() -> Conversation:
        conversation = await store.load(name) or Conversation(conversation_id=name)
        conversation.messages.extend(said)
        await store.save(replace(conversation, **fields) if fields else conversation)
        return await store.load(name) or conversation

    return asyncio.run(save())


def loaded(store: ConversationStore, name: str, **options: Any) -> list[Any]:
    conversation = asyncio.run(store.load(name, **options))
    assert conversation is not None
    return [*conversation.messages]


def test_a_conversation_is_there_after_a_restart_and_readable_for_everybody(place: str) -> None:
    store = LocalConversationStore(place)
    saved(store, "s", *TURN, usage=RunUsage(requests=2, input_tokens=9), conversation_id="s")
    store.close()
    again = LocalConversationStore(place)
    conversation = asyncio.run(again.load("s"))
    assert conversation is not None
    assert conversation.messages == TURN
    assert conversation.usage == RunUsage(requests=2, input_tokens=9)
    said = [speech_of(one) for one in again.store.load("s").messages]
    assert [one.role for one in said] == ["user", "assistant", "tool", "assistant"]
    assert (said[1].thoughts, said[1].text) == ("I ask the tool.", "One moment.")
    assert said[1].calls == [("c1", "weather", '{"city": "Oslo"}')]
    assert [(one.call_id, one.name, one.text) for one in said[2].results] == [
        ("c1", "weather", "sunny in Oslo")
    ]
    assert {one["run_id"] for one in again.store.load("s").messages} == {"r1"}


def test_an_agent_goes_on_with_its_tools_and_pauses_over_a_restart(place: str) -> None:
    agent = Agent(TestModel(), output_type=[str, DeferredToolRequests], instructions="Be brief.")

    def weather(city: str) -> dict[str, str]:
        return {"city": city}

    def travel(city: str) -> str:
        return f"went to {city}"

    agent.tool_plain(weather)
    agent.tool_plain(requires_approval=True)(travel)

    async def first() -> None:
        result = await agent.run("Go", conversation=Conversation(conversation_id="s"))
        await LocalConversationStore(place).save(result)

    async def second() -> Any:
        store = LocalConversationStore(place)
        conversation = await store.load("s")
        assert conversation is not None
        waiting = conversation.deferred_tool_requests
        assert waiting is not None
        results = waiting.build_results(approve_all=True)
        result = await agent.run(conversation=conversation, deferred_tool_results=results)
        await store.save(result)
        return result.all_messages()

    asyncio.run(first())
    expected = asyncio.run(second())
    store = LocalConversationStore(place)
    assert loaded(store, "s") == expected
    stored = store.store.load("s")
    assert "went to a" in str([speech_of(one).results for one in stored.messages])
    assert "deferred_tool_requests" not in str(stored.extra)


def test_instructions_of_every_request_stand_once_and_go_with_a_fork(tmp_path: Path) -> None:
    store = LocalConversationStore(tmp_path)
    rules = "Speak as a forecaster does."
    said = [asked(str(number), instructions=rules) for number in range(3)]
    saved(store, "s", *said)
    assert (tmp_path / "s.json").read_text(encoding="utf-8").count(rules) == 1
    fork = asyncio.run(store.fork("s", at=2, new_conversation_id="f"))
    assert loaded(store, "s") == said
    assert loaded(store, "f") == fork.messages == said[:2]
    assert loaded(store, "s", limit=1) == said[2:]
    assert (tmp_path / "f.json").read_text(encoding="utf-8").count(rules) == 1


def test_an_edited_message_reaches_the_model(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as sessions:
        store = LocalConversationStore(sessions)
        saved(store, "s", *TURN, ODD[3])
        with sessions.edit("s") as edited:
            first, called, told, last, looked = edited.messages
            first["content"] = "Hello"
            called["tool_calls"][0]["function"]["arguments"] = '{"city": "Rome"}'  # type: ignore[index, call-overload]
            called["content"][1]["text"] = "Wait."  # type: ignore[index, call-overload]
            told["content"] = "rain"
            last["content"] = "It rains."
            looked["content"] = [
                {"type": "text", "text": "See"},
                {"type": "image_url", "image_url": {"url": "https://a/c.png"}},
            ]
        said = loaded(store, "s")
    assert said[0].parts[0].content == "Hello"
    assert [part.content for part in said[1].parts[:2]] == ["I ask the tool.", "Wait."]
    assert said[1].parts[2].args == {"city": "Rome"}
    assert said[1].usage == TURN[1].usage
    assert (said[2].parts[0].content, said[3].parts[0].content) == ("rain", "It rains.")
    look = said[4].parts[1].content
    assert [one for one in look if isinstance(one, str)] == ["See"]
    assert [one.url for one in look if hasattr(one, "url")] == ["https://a/c.png"]


def test_what_a_person_takes_out_or_adds_is_so_for_the_model(tmp_path: Path) -> None:
    calls: Any = [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    with SessionStore(tmp_path) as sessions:
        store = LocalConversationStore(sessions)
        saved(store, "s", TURN[1], TURN[2], answered(), TURN[2], asked())
        with sessions.edit("s") as edited:
            called, told, last, cut, prompt = edited.messages
            del called["tool_calls"]
            told["content"], told["role"] = "Never mind.", "user"
            last["tool_calls"] = calls
            del cut["content"], cut["role"]
            cut["role"] = "user"
            prompt["content"] = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
        said = loaded(store, "s")
    assert [type(part).__name__ for part in said[0].parts] == ["ThinkingPart", "TextPart"]
    assert [part.content for part in said[1].parts] == [["Never mind."]]
    assert [part.part_kind for part in said[2].parts] == ["text", "tool-call"]
    assert [part.content for part in said[3].parts] == [["one", "two"]]
    assert len(said) == 4


def test_what_a_person_writes_in_another_form_is_read_as_it_stands(tmp_path: Path) -> None:
    texts: Any = [{"type": "text", "text": text} for text in ("You are kind.", "Be brief.")]
    with SessionStore(tmp_path) as sessions:
        store = LocalConversationStore(sessions)
        result = ModelRequest(parts=[replace(OUTPUT, content={"ok": True})])
        prompt = ModelRequest(parts=[messages.SystemPromptPart(content="Be.", timestamp=AT)])
        picture = ModelRequest(parts=[messages.UserPromptPart(content=[PNG], timestamp=AT)])
        saved(store, "s", result, prompt, ODD[5], picture, TURN[1])
        with sessions.edit("s") as edited:
            told, ruled, again, looked, called = edited.messages
            told["content"] = "no JSON"
            ruled["content"] = texts
            again["content"] = [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]
            looked["content"] = [{"type": "file", "file": {"file_url": "https://a/b.pdf"}}]
            called["content"] = "One moment."
        said = loaded(store, "s")
    assert said[0].parts[0].content == "no JSON"
    assert said[1].parts[0].content == "You are kind.\nBe brief."
    assert [one.url for one in said[2].parts[0].content] == ["https://a/b.png"]
    assert [one.url for one in said[3].parts[0].content] == ["https://a/b.pdf"]
    assert [part.part_kind for part in said[4].parts] == ["text", "tool-call"]


def test_what_cannot_be_read_after_an_edit_is_said_with_a_remedy(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as sessions:
        store = LocalConversationStore(sessions)
        saved(store, "s", *TURN)
        with sessions.edit("s") as edited:
            edited.messages[3]["pydantic_ai"]["usage"] = "much"  # type: ignore[index, call-overload]
            name = edited.messages[3]["id"]
        with pytest.raises(ValueError, match=f"message '{name}' of session 's' was changed"):
            loaded(store, "s")
        with sessions.edit("s") as edited:
            del edited.messages[3]["pydantic_ai"]
            edited.extra["pydantic_ai"]["usage"] = "much"  # type: ignore[index, call-overload]
        with pytest.raises(ValueError, match="the field 'pydantic_ai' of session 's' was changed"):
            loaded(store, "s")


def test_what_cannot_be_read_hides_no_other_conversation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SessionStore(tmp_path) as sessions:
        store = LocalConversationStore(sessions)
        for name in ("a", "b"):
            saved(store, name, *TURN)
        with sessions.edit("b") as edited:
            edited.extra["pydantic_ai"]["usage"] = "much"  # type: ignore[index, call-overload]
        listed = asyncio.run(store.list_conversations(limit=1))
        assert [one.conversation_id for one in listed] == ["a"]
        [told] = [one.getMessage() for one in caplog.records]
        assert told.startswith("left out of the list: the field 'pydantic_ai' of session 'b'")


# -- other programs ------------------------------------------------------------------------------

FOREIGN: list[Any] = [
    {"role": "system", "content": "You are another's."},
    {"role": "user", "content": "Hi"},
    {"role": "event", "other": {"title": "x"}},
    {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "A moment."}],
        "tool_calls": [
            {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "t1", "content": [{"type": "text", "text": "4"}]},
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t2", "content": "5"},
            {"type": "text", "text": "See"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,/+4="}},
            {"type": "input_file", "file_id": "f"},
        ],
    },
    {"role": "user", "content": "half \ud83d", "created_at": "2026-11-30T12:00:00Z"},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "Here."},
            {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
        ],
    },
]


def test_a_chat_of_another_program_is_history_with_calls_and_results(place: str) -> None:
    with SessionStore(place) as sessions:
        sessions.create("s")
        sessions.append("s", *FOREIGN)
        store = LocalConversationStore(sessions)
        said = loaded(store, "s")
        assert [one.kind for one in said] == [
            *("request", "response", "request", "request", "request", "response")
        ]
        assert said[0].parts[0].content == "Hi"
        text, call = said[1].parts
        assert (text.content, call.tool_name, call.args) == ("A moment.", "f", '{"a": 1}')
        [told] = said[2].parts
        assert (told.tool_name, told.tool_call_id, told.content) == ("f", "t1", "4")
        result, prompt = said[3].parts
        assert (result.tool_call_id, result.content) == ("t2", "5")
        assert prompt.content[0] == "See"
        assert prompt.content[1].data == b"\xff\xee"
        assert prompt.content[2] == '{"type": "input_file", "file_id": "f"}'
        assert said[4].parts[0].content == "half ?"
        assert [part.part_kind for part in said[5].parts] == ["text", "text"]
        before = sessions.load("s").messages
        assert loaded(store, "s") == said
        saved(store, "s", *TURN)
        assert sessions.load("s").messages[: len(before)] == before
        assert loaded(store, "s") == [*said, *TURN]


def test_a_call_with_its_result_in_one_message_was_done_by_who_called() -> None:
    """As in an event of ADK; pydantic-ai's requests have no calls, its responses no returns."""
    call: Any = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    result: Any = {"type": "tool_result", "tool_use_id": "c1", "content": "4"}
    message: Any = {
        "role": "assistant",
        "content": [result],
        "tool_calls": [call, {**call, "id": "c2"}],
    }
    [entry] = entries_of([Stored("e", None, message)], "s")
    assert isinstance(entry.message, ModelResponse)
    told = [(one.part_kind, one.tool_name, one.tool_call_id) for one in entry.message.parts]
    assert told == [
        ("builtin-tool-call", "f", "c1"),
        ("tool-call", "f", "c2"),
        ("builtin-tool-return", "f", "c1"),
    ]


def test_a_save_over_what_another_program_said_is_refused_and_tried_again(place: str) -> None:
    store = LocalConversationStore(place)
    stale = saved(store, "s", *TURN)
    store.store.append("s", {"role": "user", "content": "said meanwhile"})
    stale.messages.append(asked("lost?"))
    before = store.store.load("s")
    with pytest.raises(ConversationConflict):
        asyncio.run(store.save(stale))
    assert store.store.load("s") == before
    saved(store, "s", asked("not lost"))
    texts = [part.content for one in loaded(store, "s")[4:] for part in one.parts]
    assert texts == ["said meanwhile", "not lost"]


def test_what_says_nothing_to_the_model_refuses_no_save(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as sessions:
        store = LocalConversationStore(sessions)
        conversation = saved(store, "s", *TURN)
        sessions.append("s", *({"role": "event", "title": {"x": number}} for number in range(9)))
        sessions.rename("s", "Weather")
        conversation.messages.append(asked("on"))
        asyncio.run(store.save(conversation))
        stored = sessions.load("s")
        assert stored.title == "Weather"
        assert [one["role"] for one in stored.messages[-2:]] == ["event", "user"]
        branched = asyncio.run(store.branch("s", at=2, expected_revision=conversation.revision))
        assert branched.messages == TURN[:2]
        roles = [one["role"] for one in sessions.load("s").messages]
        assert roles == ["user", "assistant", *["event"] * 9]


def test_calls_that_wait_are_not_asked_for_when_another_program_went_on(tmp_path: Path) -> None:
    waiting = DeferredToolRequests(approvals=[CALL])
    with SessionStore(tmp_path) as sessions:
        store = LocalConversationStore(sessions)
        conversation = saved(store, "s", *TURN[:2], deferred_tool_requests=waiting)
        assert conversation.deferred_tool_requests == waiting
        sessions.append("s", {"role": "tool", "tool_call_id": "c1", "content": "done"})
        record = asyncio.run(store.read_record("s"))
        assert record is not None
        assert record.deferred_tool_requests is None


def test_messages_without_an_id_and_with_one_id_are_all_read_and_kept(tmp_path: Path) -> None:
    said: list[Any] = [{"role": "user", "content": text} for text in "abab"]
    said[2] |= {"id": "x"}
    said[3] |= {"id": "x"}
    (tmp_path / "s.json").write_text(json.dumps({"messages": [said[0], said[0], *said[1:]]}))
    store = LocalConversationStore(tmp_path)
    texts = [one.parts[0].content for one in loaded(store, "s")]
    assert texts == ["a", "a", "b", "a", "b"]
    assert loaded(store, "s", limit=2) == loaded(store, "s")[-2:]
    conversation = saved(store, "s", *TURN)
    asyncio.run(store.branch("s", at=4, expected_revision=conversation.revision))
    assert [one.parts[0].content for one in loaded(store, "s")] == texts[:4]


# -- branches, forks and listing -----------------------------------------------------------------


def test_a_branch_that_was_left_stays_in_the_session_and_comes_back(place: str) -> None:
    store = LocalConversationStore(place)
    conversation = saved(store, "s", *TURN)
    asyncio.run(store.branch("s", at=1, expected_revision=conversation.revision))
    saved(store, "s", answered("Rain."))
    assert loaded(store, "s") == [TURN[0], answered("Rain.")]
    assert [speech_of(one).text for one in store.store.load("s").messages][1:] == ["Rain."]
    store.close()
    again = LocalConversationStore(place)
    record = asyncio.run(again.read_record("s"))
    assert record is not None
    [left] = record.branches
    asyncio.run(again.branch("s", from_entry=left, expected_revision=record.revision))
    assert loaded(again, "s") == TURN
    assert [entry.message for entry in asyncio.run(again.read_history(left))] == TURN


def test_a_fork_outlives_its_origin_and_an_entry_is_found_without_a_conversation(
    place: str,
) -> None:
    store = LocalConversationStore(place)
    saved(store, "S", *TURN)
    asyncio.run(store.fork("S", new_conversation_id="Fork", at=2))
    begun: Any = asyncio.run(store.read_record("Fork"))
    saved(store, "S", asked())
    asyncio.run(store.delete("S"))
    other = LocalConversationStore(place)
    assert asyncio.run(store.read_entry(begun.head_id)).message == TURN[1]
    record = asyncio.run(other.read_record("Fork"))
    assert record is not None
    assert (record.forked_from, record.forked_at) == ("S", record.head_id)
    assert (
        asyncio.run(LocalConversationStore(place).read_entry(str(record.head_id))).message
        == (TURN[1])
    )
    assert loaded(other, "Fork") == TURN[:2]
    assert other.store.load(session_id_for("Fork")).title == "How is the weather? (fork)"
    with pytest.raises(KeyError):
        asyncio.run(other.read_entry("nowhere"))


def test_an_entry_is_found_in_a_fork_when_the_conversation_is_gone(tmp_path: Path) -> None:
    store = LocalConversationStore(tmp_path)
    saved(store, "s", *TURN)
    asyncio.run(store.fork("s", new_conversation_id="f"))
    [entry] = asyncio.run(store.load_entries("s", limit=1)) or []
    store.store.delete("s")
    assert asyncio.run(store.read_entry(entry.id)) == entry
    store.store.delete("f")
    with pytest.raises(KeyError):
        asyncio.run(store.read_entry(entry.id))


def test_a_fork_of_what_is_gone_is_refused(tmp_path: Path) -> None:
    store = LocalConversationStore(tmp_path)
    for forked_from in ("gone", None):
        record = ConversationRecord(
            conversation_id="f", head_id="gone", forked_from=forked_from, forked_at="gone"
        )
        with pytest.raises(ConversationConflict):
            asyncio.run(store.write_record(record, expected_revision=None))
    assert store.store.count() == 0


def test_a_session_that_the_store_forked_is_a_conversation_of_its_own(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as sessions:
        store = LocalConversationStore(sessions)
        saved(store, "Chat", *TURN)
        sessions.fork(session_id_for("Chat"), at=1, new_id="f")
        record = asyncio.run(store.read_record("f"))
        assert record is not None
        assert (record.conversation_id, record.forked_at) == ("f", record.head_id)
        assert saved(store, "f", answered("Rain.")).messages == [*TURN[:2], answered("Rain.")]
        assert loaded(store, "Chat") == TURN


def test_conversations_are_listed_by_scope_the_last_saved_first(place: str) -> None:
    store = LocalConversationStore(place)
    for name, scope in (("a", "ann"), ("B", "bob"), ("c", "ann")):
        asyncio.run(store.save(Conversation(conversation_id=name, messages=TURN), scope=scope))
    saved(store, "a", asked())

    def names(**options: Any) -> list[str]:
        listed = asyncio.run(store.list_conversations(**options))
        return [record.conversation_id for record in listed]

    assert names() == ["a", "c", "B"]
    assert names(scope="ann") == ["a", "c"]
    assert (names(limit=1), names(limit=0)) == (["a"], [])
    assert asyncio.run(store.load("B", scope="ann")) is None
    assert store.store.count(user_id="ann") == 2


def test_what_is_listed_or_looked_for_may_be_on_any_page_or_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[summaries.__module__], "_PAGE", 2)
    monkeypatch.setattr(conversation_store, "_REMEMBERED", 1)
    with SessionStore(tmp_path) as sessions:
        store = LocalConversationStore(sessions)
        for name in "abcde":
            saved(store, name, asked(name))
        with sessions.edit("c") as session:
            session.source = {"program": "claude-agent", "parent": {"session_id": "b"}}
        ids = [str(one.head_id) for one in asyncio.run(store.list_conversations())]
        assert [asyncio.run(store.read_entry(one)).message for one in ids] == [
            asked(name) for name in "edba"
        ]
        page = sessions.list(limit=50)
        sessions.delete("e")
        monkeypatch.setattr(sessions, "list", lambda **_: page)
        listed = asyncio.run(store.list_conversations())
        assert [one.conversation_id for one in listed] == ["d", "b", "a"]
        with pytest.raises(KeyError):
            asyncio.run(store.read_entry(ids[0]))


def test_the_end_of_a_conversation_is_loaded_without_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalConversationStore(tmp_path)
    said = [one for number in range(20) for one in (asked(str(number)), answered(str(number)))]
    saved(store, "s", *said)
    assert loaded(store, "s", limit=99) == said
    monkeypatch.setattr(store.store, "load", None)
    assert loaded(store, "s", limit=3) == said[-3:]


@pytest.mark.parametrize("name", ["tenant/user", "Chat", "x" * 400, "", "a\nb"])
def test_any_text_names_a_conversation(tmp_path: Path, name: str) -> None:
    store = LocalConversationStore(tmp_path)
    assert saved(store, name, *TURN).conversation_id == name
    [record] = asyncio.run(store.list_conversations())
    assert record.conversation_id == name
    assert store.store.load(session_id_for(name)).extra["pydantic_ai"]["conversation_id"] == name  # type: ignore[index, call-overload]


def test_what_is_not_there_is_none_and_makes_no_file(tmp_path: Path) -> None:
    store = LocalConversationStore(tmp_path)
    assert asyncio.run(store.load("s")) is None
    assert asyncio.run(store.list_conversations()) == []
    asyncio.run(store.delete("s"))
    with pytest.raises(ConversationConflict):
        asyncio.run(store.delete_record("s", expected_revision="r"))
    with pytest.raises(ConversationConflict):
        asyncio.run(store.save(Conversation(conversation_id="s", revision="r")))
    assert store.store.count() == 0


# -- what goes wrong -----------------------------------------------------------------------------


def test_a_conversation_that_was_saved_meanwhile_is_not_deleted(tmp_path: Path) -> None:
    store = LocalConversationStore(tmp_path)
    conversation = saved(store, "s", *TURN)
    saved(store, "s", asked())
    with pytest.raises(ConversationConflict):
        asyncio.run(store.delete_record("s", expected_revision=str(conversation.revision)))
    asyncio.run(store.delete("s"))
    assert asyncio.run(store.load("s")) is None
    assert [one.session_id for one in store.store.trash()] == ["s"]
    begun = saved(store, "s", *TURN[:1])
    assert begun.revision != conversation.revision


def test_what_cannot_be_stored_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    deep: Any = []
    for _ in range(220):
        deep = [deep]
    store = LocalConversationStore(tmp_path)
    for broken, error in (
        (asked(metadata={"deep": deep}), UnstorableValueError),
        (asked("half \ud83d"), ValueError),
        (asked(metadata={"x": object()}), ValueError),
    ):
        with pytest.raises(error):
            saved(store, "s", *TURN, broken)
        assert asyncio.run(store.load("s")) is None
    assert saved(store, "s", *TURN).messages == TURN


def test_a_broken_file_raises_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"messages": [')
    store = LocalConversationStore(tmp_path)
    record = ConversationRecord(conversation_id="s", head_id=None)
    acts: list[Callable[[], Any]] = [
        lambda: store.load("s"),
        lambda: store.write_record(record, expected_revision="r"),
        lambda: store.delete("s"),
    ]
    for act in acts:
        with pytest.raises(UnreadableSessionError):
            asyncio.run(act())
    with pytest.raises((UnreadableSessionError, ConversationConflict)):
        asyncio.run(store.write_record(record, expected_revision=None))
    assert asyncio.run(store.list_conversations()) == []
    assert (tmp_path / "s.json").read_text() == '{"messages": ['


def test_a_cancelled_save_has_written_all_or_it_is_not_cancelled(tmp_path: Path) -> None:
    began, go_on = threading.Event(), threading.Event()

    async def cancelled() -> list[Any]:
        store = LocalConversationStore(tmp_path)
        save = store.store.save

        def slow(*arguments: Any, **options: Any) -> Any:
            began.set()
            go_on.wait()
            return save(*arguments, **options)

        store.store.save = slow  # type: ignore[method-assign]
        conversation = Conversation(conversation_id="s", messages=[*TURN])
        task = asyncio.create_task(store.save(conversation))
        await asyncio.to_thread(began.wait)
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        again = await store.load("s")
        return again.messages if again else []

    assert asyncio.run(cancelled()) == TURN


def test_a_save_takes_the_messages_as_they_are_when_it_is_called(tmp_path: Path) -> None:
    store = LocalConversationStore(tmp_path)
    said = [asked("as it was")]
    conversation = saved(store, "s", *said)
    said[0].parts[0].content = "changed"
    conversation.messages[0].parts[0].content = "changed"
    assert loaded(store, "s") == [asked("as it was")]


def test_the_key_is_the_shapes(tmp_path: Path) -> None:
    assert SHAPE.key == "pydantic_ai"
    assert repr(LocalConversationStore(tmp_path)) == f"LocalConversationStore({str(tmp_path)!r})"


def test_it_works_in_trio(tmp_path: Path) -> None:
    import trio

    async def both() -> list[Any]:
        store = LocalConversationStore(tmp_path)
        await store.save(Conversation(conversation_id="s", messages=[*TURN]))
        conversation = await store.load("s")
        return conversation.messages if conversation else []

    assert trio.run(both) == TURN


def test_without_pydantic_ai_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pydantic_ai'] = None\n"
        "try: import localsessions.adapters.pydantic_ai\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "localsessions[pydantic-ai]"' in done.stdout
