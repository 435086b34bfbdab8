"""What stands in the memories of agentscope's agents is said in the messages of the session."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from document.values import JSON, KEYS, TEXTS, VALUES, exactly
from hypothesis import given, settings
from hypothesis import strategies as st

from localsessions import SessionStore
from localsessions.adapters.agentscope import JSONSession
from localsessions.adapters.agentscope.memories import put, restored
from localsessions.adapters.agentscope.messages import SHAPE
from localsessions.adapters.agentscope.seen import Seen, Sights
from localsessions.adapters.document import speech_of
from localsessions.models import Session


class Memory:
    """A module that keeps what it is given, as ``InMemoryMemory`` of agentscope does."""

    def __init__(self, *msgs: Any) -> None:
        self.state: dict[str, Any] = {
            "_compressed_summary": "",
            "content": [[one, []] for one in msgs],
        }

    def state_dict(self) -> dict[str, Any]:
        return self.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.state = state_dict

    @property
    def content(self) -> list[Any]:
        content: list[Any] = self.state["content"]
        return content

    @property
    def said(self) -> list[Any]:
        return [msg["content"] for msg, _ in self.content]


def msg(own: str, content: Any, role: str = "user", name: str | None = None, **more: Any) -> Any:
    stamps = {"metadata": {}, "timestamp": "2026-11-30 12:00:00.123", **more}
    return {"id": own, "name": name or role, "role": role, "content": content, **stamps}


CALL = {"type": "tool_use", "id": "c1", "name": "w", "input": {"at": "Oslo"}}
RAW = {**CALL, "raw_input": '{"at":"Oslo"}'}
RESULT = {"type": "tool_result", "id": "c1", "name": "w", "output": "sunny in Oslo"}
PICTURE = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
TEXT = {"type": "text", "text": "I look."}
MSGS: list[Any] = [
    msg("m1", "asked of Friday"),
    msg("m2", [{"type": "thinking", "thinking": "I think."}, TEXT, RAW], "assistant", "Friday"),
    msg("m3", [CALL], "assistant", "Friday", metadata={"a": 1}),
    msg("m4", [RESULT], "system"),
    msg("m5", [{**RESULT, "output": [TEXT, PICTURE]}, {**RESULT, "id": "c2"}], "system"),
    msg("m6", [RAW, TEXT], "assistant", "Friday", invocation_id="i"),
    msg("m7", [RESULT, TEXT], "user"),
    msg("m8", [PICTURE, {"type": "audio", "source": {"type": "base64", "data": "QQ=="}}]),
    msg("m9", [], "assistant", "assistant", metadata=None, timestamp=None),
    msg("m10", "half \ud83d of a pair", "system", "a hint", timestamp="no time"),
    msg("m11", [{**RAW, "raw_input": '{"at": "Os'}, {**RAW, "input": 5}], "assistant"),
]
BLOCKS = st.sampled_from([CALL, RAW, RESULT, PICTURE, TEXT]) | st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "tool_use", "tool_result", "image"]) | TEXTS},
    optional={
        "id": TEXTS | VALUES,
        "name": TEXTS | VALUES,
        "text": TEXTS,
        "input": VALUES,
        "raw_input": st.sampled_from(["{}", "", "5", '{"a":']) | VALUES,
        "output": VALUES | st.just([TEXT]),
        "source": VALUES,
    },
)
ODD = st.fixed_dictionaries(
    {
        "id": st.text("ab", min_size=1, max_size=2),
        "name": st.sampled_from(["user", "Friday"]) | TEXTS,
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": TEXTS | st.lists(BLOCKS, max_size=4),
    },
    optional={
        "metadata": VALUES | st.dictionaries(KEYS, VALUES, max_size=2),
        "timestamp": st.just("2026-11-30 12:00:00.123") | VALUES,
        "invocation_id": VALUES,
    },
)
STATES = st.recursive(
    st.fixed_dictionaries(
        {
            "content": st.lists(
                st.tuples(ODD | st.sampled_from(MSGS), st.lists(TEXTS, max_size=2)).map(list),
                max_size=3,
            )
            | st.lists(ODD, max_size=2)
            | JSON
        },
        optional={"_compressed_summary": TEXTS, "$after": JSON, "$$after": JSON},
    )
    | st.dictionaries(KEYS | st.just("$after"), JSON, max_size=2),
    lambda inner: st.dictionaries(
        st.sampled_from(["memory", "agent", "$after"]), inner, max_size=2
    ),
    max_leaves=3,
)


@given(st.sampled_from(MSGS) | ODD | st.dictionaries(KEYS, VALUES, max_size=4))
@settings(max_examples=200)
def test_every_msg_comes_back_equal(item: Any) -> None:
    assert exactly(SHAPE.items_of(SHAPE.message_of(item))) == exactly([item])


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b"]), STATES, max_size=2), max_size=3))
@settings(max_examples=150)
def test_every_state_comes_back_equal_however_memories_share_their_msgs(saves: list[Any]) -> None:
    session = Session(session_id="s")
    last: dict[str, Any] = {}
    seen: dict[str, Seen] = {}
    for states in saves:
        seen |= put(session, states, {name: seen.get(name, Seen("")) for name in states})
        last |= states
        for name, state in last.items():
            kept: Any = session.modules[name]
            assert exactly(restored(session, kept, "")[0]) == exactly(state)
    ids = [one["id"] for one in session.messages]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("item", MSGS, ids=lambda item: str(item["id"]))
def test_no_text_of_a_msg_stands_twice_and_others_read_it(item: Any) -> None:
    message: Any = SHAPE.message_of(item)
    stored = json.dumps(message)
    for text in ("asked of Friday", "I think.", "I look.", "sunny in Oslo", "example.org", "QQ=="):
        assert stored.count(text) == json.dumps(item).count(text)
    assert "$item" not in message["agentscope"]


def test_others_read_what_an_agent_said() -> None:
    said = [speech_of(SHAPE.message_of(one)) for one in MSGS]
    assert [one.role for one in said[:5]] == ["user", "assistant", "assistant", "tool", "tool"]
    assert (said[0].text, said[1].thoughts, said[1].text) == (
        "asked of Friday",
        "I think.",
        "I look.",
    )
    assert said[1].calls == [("c1", "w", '{"at":"Oslo"}')]
    assert said[2].calls == [("c1", "w", '{"at": "Oslo"}')]
    assert said[3].results == [("c1", "w", [{"type": "text", "text": "sunny in Oslo"}])]
    assert [(one.call_id, one.text) for one in said[4].results] == [
        ("c1", "I look."),
        ("c2", "sunny in Oslo"),
    ]
    assert said[5].calls == [("c1", "w", '{"at": "Oslo"}')]
    assert [one.text for one in said[6].results] == ["sunny in Oslo"]


# -- in a session ----------------------------------------------------------------------------------


@pytest.fixture
def session(tmp_path: Path) -> Iterator[JSONSession]:
    made = JSONSession(save_dir=tmp_path, durability="fast")
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SessionStore]:
    with SessionStore(tmp_path, durability="fast") as opened:
        yield opened


def save(session: JSONSession, **modules: Any) -> None:
    asyncio.run(session.save_session_state("s", **modules))


def load(session: JSONSession, **modules: Any) -> None:
    asyncio.run(session.load_session_state("s", **modules))


def loaded(session: JSONSession, name: str) -> Memory:
    """A module of another process: it has seen nothing yet."""
    memory = Memory()
    load(session, **{name: memory})
    return memory


def say(store: SessionStore, *texts: str) -> None:
    store.append("s", *({"role": "user", "content": text} for text in texts))


def ids(store: SessionStore) -> list[Any]:
    return [one["id"] for one in store.load("s").messages]


def texts(store: SessionStore) -> list[Any]:
    return [one["content"] for one in store.load("s").messages]


def test_a_msg_of_two_memories_is_one_message_and_the_states_refer_to_it(
    session: JSONSession, store: SessionStore
) -> None:
    friday, monday = Memory(*copy.deepcopy(MSGS)), Memory(copy.deepcopy(MSGS[0]))
    friday.content[0][1].append("hint")
    save(session, friday=friday, monday=monday)
    kept: Any = store.load("s").modules
    assert ids(store) == [one["id"] for one in MSGS]
    assert kept["friday"]["content"][0] == [{"$message": "m1"}, ["hint"]]
    assert kept["monday"] == {
        "_compressed_summary": "",
        "content": [[{"$message": "m1"}, []]],
        "$after": "m11",
    }
    assert store.load("s").messages[0] == {
        "id": "m1",
        "role": "user",
        "content": "asked of Friday",
        "created_at": SHAPE.message_of(MSGS[0])["created_at"],
        "agentscope": {"timestamp": "2026-11-30 12:00:00.123"},
    }
    for name, module in {"friday": friday, "monday": monday}.items():
        assert exactly(loaded(session, name).state) == exactly(module.state)


def test_what_others_said_is_in_its_place_and_what_another_agent_said_is_not(
    session: JSONSession, store: SessionStore
) -> None:
    call = {"id": "c9", "function": {"name": "w", "arguments": '{"at": "Rome"}'}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}
    friday, monday = Memory(msg("m1", "first")), Memory(msg("n1", "of Monday"))
    save(session, friday=friday, monday=monday)
    store.append(
        "s",
        {"role": "system", "content": "a prompt"},
        {"role": "event", "content": "nothing"},
        {"role": "assistant", "content": "I call.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c9", "content": "rain in Rome"},
        {
            "id": "u",
            "role": "user",
            "name": "Ada",
            "content": [{"type": "text", "text": "see"}, picture],
        },
    )
    # It worked meanwhile, and has not heard it.
    friday.content.append([msg("m2", "second"), []])
    save(session, friday=friday)
    found = loaded(session, "friday")
    assert found.content[0] == [msg("m1", "first"), []]
    assert found.content[-1] == [msg("m2", "second"), []]
    heard = [one for one, _ in found.content[1:-1]]
    assert [(one["name"], one["role"], one["content"], one["metadata"]) for one in heard] == [
        (
            "assistant",
            "assistant",
            [
                {"type": "text", "text": "I call."},
                {
                    "type": "tool_use",
                    "id": "c9",
                    "name": "w",
                    "input": {"at": "Rome"},
                    "raw_input": '{"at": "Rome"}',
                },
            ],
            {},
        ),
        (
            "system",
            "system",
            [{"type": "tool_result", "id": "c9", "name": "w", "output": "rain in Rome"}],
            {},
        ),
        (
            "Ada",
            "user",
            [
                {"type": "text", "text": "see"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="},
                },
            ],
            {},
        ),
    ]
    assert loaded(session, "friday").state == found.state
    before = store.load("s").messages
    save(session, friday=found)
    assert store.load("s").messages == before
    assert "rain in Rome" not in json.dumps(store.load("s").modules)
    assert loaded(session, "friday").state == found.state


def test_a_module_that_was_never_saved_is_told_what_others_said(
    session: JSONSession, store: SessionStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.create("s")
    say(store, "one")
    save(session, monday=Memory(msg("n1", "of Monday")))
    say(store, "two")
    with pytest.raises(ValueError, match="'friday'"):
        load(JSONSession(save_dir=session.save_dir, strict=True), friday=Memory())
    agent, deep = Memory(), Memory()
    agent.state = {"memory": deep.state, "name": "Friday"}
    load(session, friday=agent)
    assert [one["content"] for one, _ in agent.state["memory"]["content"]] == ["one", "two"]
    assert caplog.records == []
    plain = Memory()
    plain.state = {"content": [], "count": 1}
    load(session, plain=plain)
    assert plain.state == {"content": [], "count": 1}
    assert len(caplog.records) == 1


def test_what_a_user_deleted_is_gone_and_what_others_said_stays_and_does_not_come_back(
    session: JSONSession, store: SessionStore
) -> None:
    friday, monday = Memory(msg("m1", "a"), msg("m2", "b")), Memory(msg("m1", "a"))
    save(session, friday=friday, monday=monday)
    say(store, "theirs")
    load(session, friday=friday)
    friday.content.append([msg("m3", "c"), []])
    save(session, friday=friday)
    save(session, monday=monday)
    friday.content[:] = []
    save(session, friday=friday)
    save(session, friday=friday)
    assert texts(store) == ["a", "theirs"]
    assert loaded(session, "friday").said == []
    assert loaded(session, "monday").said == ["a", "theirs"]
    save(session, monday=Memory())
    assert texts(store) == ["theirs"]


def test_what_a_memory_has_seen_stays_seen_whatever_becomes_of_the_last_message(
    session: JSONSession, store: SessionStore
) -> None:
    friday, monday = Memory(msg("m1", "a")), Memory(msg("n1", "n"))
    save(session, friday=friday, monday=monday)
    say(store, "theirs")
    for module in (friday, monday):
        load(session, **{"friday" if module is friday else "monday": module})
        del module.content[1]
    save(session, friday=friday)
    assert loaded(session, "friday").said == ["a"]
    friday.content.append([msg("m2", "b"), []])
    save(session, friday=friday, monday=monday)  # Monday has seen m2, the last one
    load(session, friday=friday)
    del friday.content[1]
    save(session, friday=friday)
    save(session, friday=friday)
    assert texts(store) == ["a", "n", "theirs"]
    assert loaded(session, "friday").said == ["a"]
    assert loaded(session, "monday").said == ["n"]
    say(store, "more", "last")
    load(session, friday=friday)
    save(session, friday=friday)
    with store.edit("s") as edited:
        edited.messages = edited.messages[:-1]
    say(store, "new")
    assert loaded(session, "friday").said == ["a", "more", "new"]


def test_an_edit_wins_over_a_memory_that_did_not_change_what_was_said(
    session: JSONSession, store: SessionStore
) -> None:
    friday = Memory(msg("m1", "a secret"), msg("m2", "b"))
    save(session, friday=friday)
    say(store, "their secret", "theirs")
    load(session, friday=friday)
    with store.edit("s") as edited:
        edited.messages[0]["content"] = edited.messages[2]["content"] = "***"
    friday.content[1][0]["content"] = "B"
    for _ in range(2):
        friday.content.append([msg(f"m{len(friday.content)}", "more"), []])
        save(session, friday=friday)
        assert texts(store)[:4] == ["***", "B", "***", "theirs"]
    assert "secret" not in store.raw("s").decode()
    assert loaded(session, "friday").said == ["***", "B", "***", "theirs", "more", "more"]


def test_what_somebody_took_out_of_the_session_does_not_come_back_with_a_memory(
    session: JSONSession, store: SessionStore
) -> None:
    store.create("s")
    say(store, "one", "two")
    friday = loaded(session, "friday")
    with store.edit("s") as edited:
        edited.messages = edited.messages[:1]
    friday.content.append([msg("m1", "three"), []])
    save(session, friday=friday)
    save(session, friday=friday)
    assert texts(store) == ["one", "three"]
    assert loaded(session, "friday").said == ["one", "three"]
    store.delete("s")
    save(session, friday=friday)
    assert loaded(session, "friday").said == ["one", "two", "three"]


def test_a_memory_keeps_its_own_version_of_what_others_have_otherwise(
    session: JSONSession, store: SessionStore
) -> None:
    store.create("s")
    say(store, "theirs")
    friday, monday = loaded(session, "friday"), Memory(msg("m1", "a"))
    friday.content.append([msg("m1", "a"), []])
    save(session, friday=friday, monday=monday)
    friday.content[0][0]["content"] = "theirs, changed"
    friday.content[1][0]["content"] = "A"
    save(session, friday=friday)
    assert texts(store) == ["theirs", "a"]
    assert loaded(session, "friday").said == ["theirs, changed", "A"]
    assert loaded(session, "monday").said == ["theirs", "a"]
    for again in (friday, loaded(session, "friday")):
        save(session, friday=again)
        assert loaded(session, "friday").said == ["theirs, changed", "A"]
    monday.content[0][0]["content"] = "a2"
    monday.content[0][0]["timestamp"] = None
    with store.edit("s") as edited:
        edited.messages[1] |= {"rating": 5}
    said_at = store.load("s").messages[1]["created_at"]
    save(session, monday=monday)
    assert texts(store) == ["theirs", "a2"]
    changed = store.load("s").messages[1]
    assert (changed["rating"], changed["created_at"]) == (5, said_at)
    assert loaded(session, "friday").said == ["theirs, changed", "A"]


def test_a_save_over_a_memory_that_stood_in_the_state_makes_nothing_new(
    session: JSONSession, store: SessionStore
) -> None:
    store.create("s")
    say(store, "a copy for the listing")
    with store.edit("s") as edited:
        edited.modules = {"friday": Memory(msg("m1", "a")).state}
    save(session, friday=Memory(msg("m2", "b")))
    assert loaded(session, "friday").said == ["b"]


@pytest.mark.parametrize("is_plain", [True, False], ids=["Msgs alone", "pairs"])
def test_a_memory_that_stood_in_the_state_is_loaded_and_moves_at_the_next_save(
    session: JSONSession, store: SessionStore, is_plain: bool
) -> None:
    entry: Any = msg("m1", "a") if is_plain else [msg("m1", "a"), []]
    state: Any = {"memory": {"content": [entry]}}
    store.create("s")
    say(store, "a copy for the listing")
    with store.edit("s") as edited:
        edited.modules = {"friday": state}
    friday = Memory()
    load(session, friday=friday)
    assert friday.state == state
    save(session, friday=friday)
    assert texts(store) == ["a copy for the listing", "a"]
    say(store, "new")
    load(session, friday=friday)
    said = [one if is_plain else one[0] for one in friday.state["memory"]["content"]]
    assert [one["content"] for one in said] == ["a", "new"]


def test_a_memory_in_a_file_of_agentscopes_moves_when_it_is_taken_over(
    session: JSONSession, store: SessionStore, tmp_path: Path
) -> None:
    friday = Memory(*MSGS[:4])
    (tmp_path / "s.json").write_text(json.dumps({"friday": friday.state}), "utf-8")
    assert loaded(session, "friday").state == friday.state
    save(session, monday=Memory(MSGS[0]))
    assert ids(store) == ["m1", "m2", "m3", "m4"]
    assert loaded(session, "friday").state == friday.state
    kept: Any = store.load("s").modules["friday"]
    assert kept["content"][0] == [{"$message": "m1"}, []]
    assert kept["$after"] == "m4"


def test_messages_without_an_id_are_heard_once_and_can_be_edited_then(
    session: JSONSession, store: SessionStore, tmp_path: Path
) -> None:
    said = [{"role": "user", "content": "yes"}, {"role": "user", "content": "yes"}]
    (tmp_path / "s.json").write_text(json.dumps({"messages": said}))
    friday = loaded(session, "friday")
    assert friday.said == ["yes", "yes"]
    for one, _ in friday.content:
        one["timestamp"] = "2026-11-30 12:00:00.123"  # agentscope tells the time of the clock then
    save(session, friday=friday)
    assert "yes" not in json.dumps(store.load("s").modules)
    assert loaded(session, "friday").said == ["yes", "yes"]
    assert len(set(ids(store))) == 2
    with store.edit("s") as edited:
        edited.messages[1]["content"] = "no"
    assert loaded(session, "friday").said == ["yes", "no"]


def test_a_reference_or_a_state_that_a_person_broke_is_left_out(
    session: JSONSession, store: SessionStore
) -> None:
    save(session, friday=Memory(msg("m1", "a"), msg("m2", "b"), msg("m3", "c")))
    with store.edit("s") as edited:
        kept: Any = edited.modules["friday"]
        kept["content"] = [[], [{"$message": "gone"}, []], *kept["content"]]
        kept["$after"] = 7
        edited.messages = [*edited.messages[:1], {"role": "event", "id": "m2"}]
    say(store, "theirs")
    assert loaded(session, "friday").content == [
        [],
        [msg("m1", "a"), []],
        [loaded(session, "friday").content[2][0], []],
    ]
    assert loaded(session, "friday").content[2][0]["content"] == "theirs"


def test_what_a_module_has_seen_is_forgotten_with_it() -> None:
    class Slotted:
        __slots__ = ()

    sights, module = Sights(), Memory()
    sights.note(module, Seen("here", last="m1"))
    assert (sights.of(module, "here").last, sights.of(module, "there").last) == ("m1", None)
    sights.note(Slotted(), Seen("here"))
    del module
    gc.collect()
    assert sights._seen == {}


def test_three_processes_lose_no_msg_of_their_agents_nor_what_others_say(
    start: Any, store: SessionStore, session: JSONSession, tmp_path: Path
) -> None:
    store.create("s")
    children = [
        start("agentscope_session.py", "remember", tmp_path, "s", f"agent_{number}", 8)
        for number in range(3)
    ]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    for number in range(8):
        say(store, f"said {number}")
    for child in children:
        child.communicate(timeout=240)
        assert child.returncode == 0
    assert len(set(ids(store))) == len(ids(store)) == 32
    theirs = [f"said {number}" for number in range(8)]
    for number in range(3):
        found = loaded(session, f"agent_{number}").said
        assert [one for one in found if one in theirs] == theirs
        own = [one for one in found if one not in theirs]
        assert own == [f"agent_{number} {count}" for count in range(8)]
