"""Merging: what both sides did stands in the result, or the places where it cannot are named."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import calls
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from localsessions import (
    AsyncSessionStore,
    ConflictError,
    DurabilityUnknownError,
    FormatVersionError,
    Session,
    SessionStore,
    UnreadableSessionError,
    UnstorableValueError,
)
from localsessions._codec import MAX_DEPTH, decode, encode_value
from localsessions._rules import drafts
from localsessions._rules.merging import Merged, merge
from localsessions.models import Message, format_instant
from localsessions.models.standing import original_of, set_extra, version_of

Start = Callable[..., "subprocess.Popen[str]"]
Fields: TypeAlias = dict[str, Any]

T1, T2, T3, T4 = (f"2026-01-0{day}T00:00:00.000Z" for day in (1, 2, 3, 4))
STAMPS = {"format", "revision", "updated_at"}


def made(**fields: Any) -> Session:
    """Return a session of some fields; ``extra`` are those that this version does not know."""
    times = {"created_at": T1, "last_activity": T1, "updated_at": T1}
    extra = fields.pop("extra", {})
    session = Session.model_validate(times | fields | {"session_id": "s"})
    set_extra(session, extra)
    return session


def fields_of(session: Session) -> dict[str, JsonValue]:
    fields = {name: getattr(session, name) for name in Session.model_fields}
    plain = {
        name: format_instant(value) if isinstance(value, datetime) else value
        for name, value in fields.items()
        if name not in STAMPS
    }
    return plain | {"extra": session.extra}


def written(value: object) -> bytes:
    """Return what is equal only where JSON is: type, digits, sign and order."""
    return encode_value(fields_of(value) if isinstance(value, Session) else value)  # type: ignore[arg-type]  # JSON, as the tests make it


def m(name: str, content: str = "") -> Message:
    return {"id": name, "role": "user", "content": content or name}


def said(content: str, **more: JsonValue) -> Message:
    return {"role": "user", "content": content, **more}


def ms(names: str) -> list[Message]:
    return [m(name) for name in names]


# -- each rule, by example -------------------------------------------------------------------

RUN: Fields = {"run_id": "r1", "status": "RUNNING"}
TO_A, TO_B = {"to": "a", "timestamp": T1}, {"to": "b", "timestamp": T2}
DONE: Fields = {"run_id": "r1", "status": "COMPLETED"}

# Name: base, ours, theirs, and what the merge says of the fields that are named there.
MERGED: dict[str, tuple[Fields, Fields, Fields, Fields]] = {
    "nothing": ({}, {}, {}, {}),
    "one field of each": (
        {},
        {"title": "a"},
        {"status": "archived"},
        {"title": "a", "status": "archived"},
    ),
    "both the same": ({"title": "x"}, {"title": "y"}, {"title": "y"}, {"title": "y"}),
    "one removes": ({"title": "x"}, {"title": None}, {"ttl": 3, "title": "x"}, {"title": None}),
    "pinned by one": ({}, {"pinned": True}, {"ttl": 60}, {"pinned": True, "ttl": 60}),
    "messages of one only, whatever it did": (
        {"messages": ms("abc")},
        {"messages": ms("ca")},
        {"messages": ms("abc"), "title": "t"},
        {"messages": ms("ca"), "title": "t"},
    ),
    "messages added at the end by both": (
        {"messages": ms("a")},
        {"messages": ms("axy")},
        {"messages": ms("auv")},
        {"messages": ms("auvxy")},
    ),
    "messages added at several places": (
        {"messages": ms("ab")},
        {"messages": ms("1a2b3")},
        {"messages": ms("4ab5")},
        {"messages": ms("41a2b53")},
    ),
    "one message added by both": (
        {"messages": ms("a")},
        {"messages": ms("axn")},
        {"messages": ms("anu")},
        {"messages": ms("axnu")},
    ),
    "another message edited by each": (
        {"messages": ms("abc")},
        {"messages": [m("a", "ours"), *ms("bcd")]},
        {"messages": [*ms("ab"), m("c", "theirs")]},
        {"messages": [m("a", "ours"), *ms("b"), m("c", "theirs"), *ms("d")]},
    ),
    "one message edited alike": (
        {"messages": ms("a")},
        {"messages": [m("a", "new"), *ms("b")]},
        {"messages": [m("a", "new"), *ms("c")]},
        {"messages": [m("a", "new"), *ms("cb")]},
    ),
    "a message removed by both": (
        {"messages": ms("abc")},
        {"messages": ms("acx")},
        {"messages": ms("acy")},
        {"messages": ms("acyx")},
    ),
    "messages moved by both alike": (
        {"messages": ms("ab")},
        {"messages": ms("bax")},
        {"messages": ms("bay")},
        {"messages": ms("bayx")},
    ),
    "messages without ids": (
        {"messages": [said("hi"), said("hi")]},
        {"messages": [said("hi"), said("hi"), said("ours")]},
        {"messages": [said("hi"), said("theirs"), said("hi")]},
        {"messages": [said("hi"), said("theirs"), said("hi"), said("ours")]},
    ),
    "the same words once more, by each a different number of times": (
        {"messages": [said("hi")]},
        {"messages": [said("hi"), said("hi")]},
        {"messages": [said("hi"), said("hi"), said("hi")]},
        {"messages": [said("hi"), said("hi"), said("hi"), said("hi")]},
    ),
    "two who say the same have said two things, where no id says otherwise": (
        {"messages": [said("go on?")]},
        {"messages": [said("go on?"), said("yes")]},
        {"messages": [said("go on?"), said("yes")]},
        {"messages": [said("go on?"), said("yes"), said("yes")]},
    ),
    "the same message by its id, added by both, stands once": (
        {"messages": [said("go on?")]},
        {"messages": [said("go on?"), said("yes", id="m2")]},
        {"messages": [said("go on?"), said("yes", id="m2")]},
        {"messages": [said("go on?"), said("yes", id="m2")]},
    ),
    "an id that stands twice is none": (
        {"messages": [said("1", id="x"), said("2", id="x")]},
        {"messages": [said("1", id="x"), said("2", id="x"), said("3", id="x")]},
        {"messages": [said("1", id="x"), said("2", id="x"), said("4", id="x")]},
        {"messages": [said(text, id="x") for text in "1243"]},
    ),
    "an id that is no text is none": (
        {"messages": [said("1", id=7)]},
        {"messages": [said("1", id=7), said("2", id=7)]},
        {"messages": [said("1", id=7), said("3", id=7)]},
        {"messages": [said(text, id=7) for text in "132"]},
    ),
    "runs are known by their run_id": (
        {"runs": [RUN]},
        {"runs": [DONE]},
        {"runs": [RUN, {"run_id": "r2"}]},
        {"runs": [DONE, {"run_id": "r2"}]},
    ),
    "an id in a run is not its identity": (
        {},
        {"runs": [{"run_id": "r1", "id": "x"}]},
        {"runs": [{"run_id": "r2", "id": "x"}]},
        {"runs": [{"run_id": "r2", "id": "x"}, {"run_id": "r1", "id": "x"}]},
    ),
    "objects by key, recursively": (
        {"metadata": {"a": {"x": 1, "y": 1}, "b": 1}},
        {"metadata": {"a": {"x": 2, "y": 1}, "b": 1, "ours": 1}},
        {"metadata": {"a": {"x": 1, "y": 2}, "theirs": 1}},
        {"metadata": {"a": {"x": 2, "y": 2}, "theirs": 1, "ours": 1}},
    ),
    "a key that became null is there": (
        {"state": {"a": 1, "b": 1}},
        {"state": {"a": None, "b": 1}},
        {"state": {"a": 1}},
        {"state": {"a": None}},
    ),
    "a key that was null is removed": (
        {"state": {"a": None, "b": 1}},
        {"state": {"a": None, "b": 2}},
        {"state": {"b": 1}},
        {"state": {"b": 2}},
    ),
    "unknown fields by key": (
        {"extra": {"x": {"a": 1, "b": 1}}},
        {"extra": {"x": {"a": 2, "b": 1}, "ours": 1}},
        {"extra": {"x": {"a": 1}, "theirs": 1}},
        {"extra": {"x": {"a": 2}, "theirs": 1, "ours": 1}},
    ),
    "modules by name": (
        {"modules": {"one": {"n": 1}, "two": {"n": 1}, "gone": {}}},
        {"modules": {"one": {"n": 2}, "two": {"n": 1}, "gone": {}, "ours": 1}},
        {"modules": {"one": {"n": 1}, "two": {"n": 2}}},
        {"modules": {"one": {"n": 2}, "two": {"n": 2}, "ours": 1}},
    ),
    "tags are a set": (
        {"tags": ["a", "b", "c", "d"]},
        {"tags": ["a", "c", "d", "new", "x"]},
        {"tags": ["y", "b", "c", "a", "new"]},
        {"tags": ["y", "c", "a", "new", "x"]},
    ),
    "the later activity": (
        {"last_activity": T1},
        {"last_activity": T2},
        {"last_activity": T3},
        {"last_activity": T3},
    ),
    "an activity set back by one": (
        {"last_activity": T3},
        {"last_activity": T1},
        {"last_activity": T3},
        {"last_activity": T1},
    ),
    "the later end": (
        {"expires_at": T1},
        {"expires_at": T3},
        {"expires_at": T2},
        {"expires_at": T3},
    ),
    "no end is the latest": (
        {"expires_at": T1},
        {"expires_at": T3},
        {"expires_at": None},
        {"expires_at": None},
    ),
    "an end brought forward by one": (
        {"expires_at": T3},
        {"expires_at": T1},
        {"expires_at": T3},
        {"expires_at": T1},
    ),
    "a switch by one": (
        {"agent_context": {"current_agent": "a", "last_switch_at": T1, "switches": [TO_A]}},
        {"agent_context": {"current_agent": "b", "last_switch_at": T2, "switches": [TO_A, TO_B]}},
        {
            "agent_context": {
                "current_agent": "a",
                "last_switch_at": T1,
                "metadata": {"k": 1},
                "switches": [TO_A],
            }
        },
        {
            "agent_context": {
                "current_agent": "b",
                "last_switch_at": T2,
                "metadata": {"k": 1},
                "switches": [TO_A, TO_B],
            }
        },
    ),
    "switches of both to one agent": (
        {},
        {
            "agent_context": {
                "created_at": T1,
                "current_agent": "b",
                "last_switch_at": T1,
                "switches": [TO_A | {"to": "b"}],
            }
        },
        {
            "agent_context": {
                "created_at": T2,
                "current_agent": "b",
                "last_switch_at": "2026-01-01T01:00:00+03:00",
                "switches": [TO_B],
            }
        },
        {
            "agent_context": {
                "created_at": T1,
                "current_agent": "b",
                "last_switch_at": T1,
                "switches": [TO_B, TO_A | {"to": "b"}],
            }
        },
    ),
}

# Name: base, ours, theirs.
SCALARS: dict[str, tuple[Any, Any, Any]] = {
    "title": ("x", "y", None),
    "user_id": (None, "y", "z"),
    "agent_id": (None, "y", "z"),
    "status": ("active", "y", "z"),
    "ttl": (60, 61, 62),
    "forked_from": ({}, {"session_id": "a"}, {"message_id": "b"}),
    "created_at": (T1, T2, T3),
}

# Name: base, ours, theirs, and the places.
CONFLICTS: dict[str, tuple[Fields, Fields, Fields, list[str]]] = {
    **{
        name: ({name: base}, {name: ours}, {name: theirs}, [name])
        for name, (base, ours, theirs) in SCALARS.items()
    },
    "what two imports say": (
        {"source": {"imported": {"a": "1"}}},
        {"source": {"branch": "x", "imported": {"a": "1", "b": "2"}}},
        {"source": {"branch": "y", "imported": {"a": "1", "c": "3"}}},
        ["source.branch"],
    ),
    "numbers that are equal and not the same": ({"ttl": 2}, {"ttl": 1}, {"ttl": 1.0}, ["ttl"]),
    "zeros": (
        {"state": {"a": 7, "b": 7, "c": 7}},
        {"state": {"a": 0, "b": 0.0, "c": 1}},
        {"state": {"a": False, "b": -0.0, "c": True}},
        ["state.a", "state.b", "state.c"],
    ),
    "all places, in order": (
        {"metadata": {"tier": 1, "a b": 1}, "title": "t"},
        {"metadata": {"tier": 2, "a b": 2}, "title": "u", "extra": {"x": 1, "y z": 1}},
        {"metadata": {"tier": 3}, "title": "v", "extra": {"x": 2, "y z": 2}},
        ["title", "metadata.tier", "metadata['a b']", "x", "['y z']"],
    ),
    "one message edited by both": (
        {"messages": ms("ab")},
        {"messages": [m("a", "ours"), m("b", "same")]},
        {"messages": [m("a", "theirs"), m("b", "same")]},
        ["messages[id=a]"],
    ),
    "one id added by both": (
        {},
        {"messages": [m("a", "ours"), *ms("b")]},
        {"messages": [m("a", "theirs"), *ms("b")]},
        ["messages[id=a]"],
    ),
    "a message removed by one": (
        {"messages": ms("ab")},
        {"messages": ms("a")},
        {"messages": ms("abc")},
        ["messages"],
    ),
    "a message without id removed by one": (
        {"messages": [said("1"), said("2")]},
        {"messages": [said("2")]},
        {"messages": [said("1"), said("2"), said("3")]},
        ["messages"],
    ),
    "one of two equal messages removed by one": (
        {"messages": [said("1"), said("1")]},
        {"messages": [said("1")]},
        {"messages": [said("1"), said("1"), said("3")]},
        ["messages"],
    ),
    "a message removed by one and edited by the other": (
        {"messages": ms("ab")},
        {"messages": ms("a")},
        {"messages": [m("a"), m("b", "edited")]},
        ["messages[id=b]"],
    ),
    "messages moved by one": (
        {"messages": ms("ab")},
        {"messages": ms("ba")},
        {"messages": ms("abc")},
        ["messages"],
    ),
    "a message edited by both and moved by one": (
        {"messages": ms("ab")},
        {"messages": [m("a"), m("b", "ours")]},
        {"messages": [m("b", "theirs"), m("a")]},
        ["messages[id=b]", "messages"],
    ),
    "one message added at different places": (
        {"messages": ms("a")},
        {"messages": ms("xa")},
        {"messages": ms("ax")},
        ["messages"],
    ),
    "a message edited that has no id": (
        {"messages": [said("1")]},
        {"messages": [said("1!")]},
        {"messages": [said("1"), said("2")]},
        ["messages"],
    ),
    "a message edited whose id is no text": (
        {"messages": [said("1", id=7)]},
        {"messages": [said("1!", id=7)]},
        {"messages": [said("1", id=7), said("2", id=8)]},
        ["messages"],
    ),
    "one run": (
        {"runs": [RUN]},
        {"runs": [DONE]},
        {"runs": [RUN | {"status": "ERROR"}]},
        ["runs[run_id=r1]"],
    ),
    "one module": (
        {"modules": {"friday": {"a": 1, "b": 1}, "other": 1}},
        {"modules": {"friday": {"a": 2, "b": 1}, "other": 1}},
        {"modules": {"friday": {"a": 1, "b": 2}, "other": 2}},
        ["modules.friday"],
    ),
    "a key removed and changed": (
        {"metadata": {"a": 1}},
        {"metadata": {}},
        {"metadata": {"a": 2}},
        ["metadata.a"],
    ),
    "objects where there was none": (
        {"metadata": {"a": 1}},
        {"metadata": {"a": {"x": 1}, "b": {"x": 1}}},
        {"metadata": {"a": {"y": 1}, "b": {"y": 1}}},
        ["metadata.a", "metadata.b"],
    ),
    "lists are taken whole": (
        {"state": {"list": [1]}},
        {"state": {"list": [1, 2]}},
        {"state": {"list": [1, 3]}},
        ["state.list"],
    ),
    "two agents": (
        {"agent_context": {"current_agent": "o", "switches": []}},
        {"agent_context": {"current_agent": "a", "switches": [TO_A]}},
        {"agent_context": {"current_agent": "b", "switches": [TO_B]}},
        ["agent_context.current_agent"],
    ),
    "two agents, one that of before": (
        {"agent_context": {"current_agent": "a", "switches": []}},
        {"agent_context": {"current_agent": "b", "switches": [TO_B]}},
        {"agent_context": {"current_agent": "a", "switches": [TO_B | {"to": "c"}, TO_A]}},
        ["agent_context.current_agent"],
    ),
    "a switch removed by one": (
        {"agent_context": {"current_agent": "a", "switches": [TO_A]}},
        {"agent_context": {"current_agent": "a"}},
        {"agent_context": {"current_agent": "a", "switches": [TO_A, TO_A]}},
        ["agent_context.switches"],
    ),
    "times of switches that are none": (
        {"agent_context": {"last_switch_at": T1}},
        {"agent_context": {"last_switch_at": T2}},
        {"agent_context": {"last_switch_at": "soon"}},
        ["agent_context.last_switch_at"],
    ),
    "a time of a switch removed by one": (
        {"agent_context": {"last_switch_at": T1}},
        {"agent_context": {"last_switch_at": T2}},
        {"agent_context": {}},
        ["agent_context.last_switch_at"],
    ),
    "a context made anew by both": (
        {"agent_context": {"created_at": T1}},
        {"agent_context": {"created_at": T2}},
        {"agent_context": {"created_at": T3}},
        ["agent_context.created_at"],
    ),
}


@pytest.mark.parametrize("name", MERGED)
def test_what_both_sides_changed_stands_in_the_result(name: str) -> None:
    base, ours, theirs, expected = MERGED[name]
    merged = merge(made(**base), made(**ours), made(**theirs))
    assert merged.conflicts == ()
    assert written(merged.session) == written(made(**(base | ours | theirs | expected)))


@pytest.mark.parametrize("name", CONFLICTS)
def test_what_both_changed_differently_is_named(name: str) -> None:
    base, ours, theirs, places = CONFLICTS[name]
    assert list(merge(made(**base), made(**ours), made(**theirs)).conflicts) == places
    assert list(merge(made(**base), made(**theirs), made(**ours)).conflicts) == places


@pytest.mark.parametrize("examples", [MERGED, CONFLICTS])
def test_a_merge_changes_none_of_the_three(examples: Mapping[str, tuple[Fields, ...]]) -> None:
    for example in examples.values():
        base, ours, theirs = (made(**deepcopy(fields)) for fields in example[:3])
        sides = base, ours, theirs
        before = [written(side) for side in sides]
        merge(*sides)
        assert [written(side) for side in sides] == before


def test_format_revision_and_time_of_update_are_those_of_the_file() -> None:
    ours = made(title="ours", revision=9, updated_at=T4)
    theirs = made(format="localsessions/2", revision=5, updated_at=T2)
    merged = merge(made(revision=3), ours, theirs).session
    assert (merged.format, merged.revision) == ("localsessions/2", 5)
    assert format_instant(merged.updated_at) == T2


def test_objects_may_be_as_deep_as_a_file_can_be() -> None:
    def nested(**leaf: JsonValue) -> JsonValue:
        value: JsonValue = leaf
        for _ in range(MAX_DEPTH - 3):
            value = {"in": value}
        return value

    sides = [made(state={"x": nested(**leaf)}) for leaf in ({}, {"a": 1}, {"b": 2})]
    assert merge(*sides).session.state == {"x": nested(a=1, b=2)}


def test_a_time_that_the_file_never_said_is_no_change() -> None:
    """Of a file that does not say it, the time of creation is that of its last modification."""

    def read(text: str, modified: int) -> Session:
        modified_at = datetime.fromtimestamp(modified * 10**9, UTC)
        return decode(text.encode(), session_id="s", modified_at=modified_at)

    base, ours, theirs = read("{}", 1), read("{}", 1), read('{"title": "t"}', 2)
    ours.created_at = datetime(2020, 1, 1, tzinfo=UTC)
    merged = merge(base, ours, theirs)
    assert merged.conflicts == ()
    assert merged.session.created_at == ours.created_at
    assert merge(base, base, theirs).session.created_at == base.created_at


# -- whatever both sides did -----------------------------------------------------------------

VALUES = st.sampled_from([0, 1, True, 1.0, 0.0, -0.0, None, "x", [], [1], {}, {"a": 1}])
OBJECTS = st.dictionaries(
    st.sampled_from("abc"),
    VALUES | st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3),
    max_size=3,
)
CONTENTS = st.sampled_from(["hi", "yes", "no"])
# Few ids and words, so that both sides often say the same, of one message or of two.
IDS = st.sampled_from([f"m{number}" for number in range(8)])
MESSAGES = st.one_of(
    st.builds(lambda one, content: said(content, id=one), IDS, CONTENTS),
    st.builds(said, CONTENTS),
    st.builds(lambda content: said(content, id=1), CONTENTS),
)
OWN = st.integers(0, 10**9).map(lambda number: m(f"own{number}"))
TEXTS = st.none() | st.sampled_from("tuv")
INSTANTS = st.sampled_from([T1, T2, T3, T4])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "title": TEXTS,
    "user_id": TEXTS,
    "ttl": st.sampled_from([None, 1, 1.0, 2]),
    "pinned": st.booleans(),
    "modules": OBJECTS,
    "state": OBJECTS,
    "metadata": OBJECTS,
    "extra": OBJECTS,
    "tags": st.lists(st.sampled_from("abcde"), unique=True),
    "expires_at": st.none() | INSTANTS,
    "last_activity": INSTANTS,
    "agent_context": st.fixed_dictionaries(
        {},
        optional={
            "current_agent": st.sampled_from("ab"),
            "last_switch_at": INSTANTS | st.just("soon"),
            "switches": st.lists(st.sampled_from([TO_A, TO_B]), max_size=2),
        },
    ),
}
RUNS = st.lists(st.builds(lambda one, status: {"run_id": one, "status": status}, IDS, CONTENTS))


@st.composite
def edited_messages(draw: st.DrawFn, messages: list[Message]) -> list[Message]:
    """Append, insert, edit, remove, move and double; mostly what agents do, append."""
    messages = deepcopy(messages)
    for _ in range(draw(st.integers(0, 4))):
        act = draw(st.sampled_from(["append", "append", "insert", "edit", "remove", "move"]))
        place = draw(st.integers(0, max(len(messages) - 1, 0)))
        if act == "append":
            messages.append(draw(OWN | MESSAGES))
        elif act == "insert" or not messages:
            messages.insert(place, draw(OWN | MESSAGES))
        elif act == "edit":
            messages[place] = messages[place] | {"content": draw(CONTENTS)}
        elif act == "remove":
            del messages[place]
        else:
            messages.insert(draw(st.integers(0, len(messages) - 1)), messages.pop(place))
    return messages


@st.composite
def sides_of_a_merge(draw: st.DrawFn) -> tuple[Session, Session, Session]:
    base: Fields = draw(st.fixed_dictionaries({}, optional=FIELDS))
    base["messages"] = draw(st.lists(MESSAGES, max_size=5))
    base["runs"] = draw(RUNS)
    sides = [base]
    for _ in range(2):
        changed = deepcopy(base)
        for name in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=2)):
            changed[name] = draw(FIELDS[name])
        changed["messages"] = draw(edited_messages(base["messages"]))
        if draw(st.integers(0, 3)) == 0:
            changed["runs"] = draw(RUNS)
        sides.append(changed)
    first, second, third = (made(**deepcopy(side)) for side in sides)
    return first, second, third


SIDES = sides_of_a_merge()
ABSENT = object()


def is_changed(one: object, other: object) -> bool:
    if ABSENT in (one, other):
        return one is not other
    return written(one) != written(other)


def at(session: Session, place: str) -> object:
    """Return the value at a place as a conflict names it."""
    fields = fields_of(session)
    name, _, rest = place.partition(".")
    if "[" in name:
        name, _, identity = name.rstrip("]").partition("[")
        key, _, wanted = identity.partition("=")
        records = fields[name]
        assert isinstance(records, list)
        found = [one for one in records if isinstance(one, dict) and one.get(key) == wanted]
        return found[0] if found else ABSENT
    value: object = fields[name] if name in fields else session.extra.get(name, ABSENT)
    for key in rest.split(".") if rest else ():
        value = value.get(key, ABSENT) if isinstance(value, dict) else ABSENT
    return value


def is_within(part: list[Message], whole: list[Message], edited: list[Message]) -> bool:
    """Tell whether messages stand in others in their order, as they are or edited by others."""
    rest: Iterator[Message] = iter(whole)
    return all(
        any(
            written(one) == written(found)
            or (isinstance(one.get("id"), str) and one["id"] == found.get("id") and found in edited)
            for found in rest
        )
        for one in part
    )


@given(SIDES)
def test_no_message_disappears_and_each_side_keeps_its_order(
    sides: tuple[Session, Session, Session],
) -> None:
    base, ours, theirs = sides
    result, conflicts = merge(base, ours, theirs)
    both = all(is_changed(base.messages, side.messages) for side in (ours, theirs))
    if not conflicts and both:
        assert is_within(ours.messages, result.messages, theirs.messages)
        assert is_within(theirs.messages, result.messages, ours.messages)
        known = {written(one) for one in (*ours.messages, *theirs.messages)}
        assert {written(one) for one in result.messages} <= known


@given(SIDES)
def test_what_one_side_changed_stands_in_the_result(
    sides: tuple[Session, Session, Session],
) -> None:
    result, conflicts = merge(*sides)
    if conflicts:
        return
    names = [*fields_of(result)]
    inner = [
        f"{name}.{key}"
        for name in ("modules", "state", "metadata")
        for key in {key for side in sides for key in getattr(side, name)}
    ]
    for place in (*names, *inner):
        base, ours, theirs = (at(side, place) for side in sides)
        if not is_changed(base, ours):
            assert not is_changed(at(result, place), theirs)
        elif not is_changed(base, theirs):
            assert not is_changed(at(result, place), ours)


@given(SIDES)
def test_a_tag_is_there_if_a_side_added_it_or_nobody_removed_it(
    sides: tuple[Session, Session, Session],
) -> None:
    base, ours, theirs = (set(side.tags) for side in sides)
    tags = merge(*sides).session.tags
    assert set(tags) == (ours & theirs) | (ours - base) | (theirs - base)
    assert len(tags) == len(set(tags))


@given(SIDES)
def test_conflicts_are_where_both_sides_changed_something(
    sides: tuple[Session, Session, Session],
) -> None:
    base, ours, theirs = sides
    for place in merge(base, ours, theirs).conflicts:
        assert is_changed(at(ours, place), at(theirs, place))
        # Who came back to the agent of before switched too.
        where = "agent_context" if place == "agent_context.current_agent" else place
        assert is_changed(at(base, where), at(ours, where))
        assert is_changed(at(base, where), at(theirs, where))


@given(SIDES)
def test_one_side_alone_is_the_result(sides: tuple[Session, Session, Session]) -> None:
    base, ours, theirs = sides
    for merged, side in [
        (merge(base, ours, base), ours),
        (merge(base, base, theirs), theirs),
    ]:
        assert (written(merged.session), merged.conflicts) == (written(side), ())


@given(SIDES)
def test_the_same_change_by_both_is_taken_once_but_for_messages_without_an_id(
    sides: tuple[Session, Session, Session],
) -> None:
    base, ours, _ = sides
    merged = merge(base, ours, ours)
    if ours.messages == base.messages or has_ids(ours):
        assert (written(merged.session), merged.conflicts) == (written(ours), ())
    elif not merged.conflicts:
        assert len(merged.session.messages) >= len(ours.messages)


def has_ids(session: Session) -> bool:
    ids = [message.get("id") for message in session.messages]
    return all(isinstance(one, str) for one in ids) and len(set(map(str, ids))) == len(ids)


def in_any_order(value: object) -> object:
    """Return a value in which neither keys nor records nor tags have an order."""
    if isinstance(value, dict):
        return sorted((key, in_any_order(item)) for key, item in value.items())
    if isinstance(value, list):
        return sorted((in_any_order(item) for item in value), key=repr)
    return repr(value)


@given(SIDES)
def test_a_merge_is_the_same_from_both_sides_but_for_who_comes_first(
    sides: tuple[Session, Session, Session],
) -> None:
    base, ours, theirs = sides
    one, other = merge(base, ours, theirs), merge(base, theirs, ours)
    assert sorted(one.conflicts) == sorted(other.conflicts)
    if not one.conflicts:
        assert in_any_order(fields_of(one.session)) == in_any_order(fields_of(other.session))


# -- saving ----------------------------------------------------------------------------------


def edit_outside(path: Path, **fields: JsonValue) -> None:
    """What another program does: the same file, changed, in a layout of its own."""
    document = json.loads(path.read_text()) | fields
    path.write_text(json.dumps(document, indent=7, ensure_ascii=True))


def state_of(session: Session) -> object:
    return (
        deepcopy(session.model_dump()),
        deepcopy(session.extra),
        original_of(session),
        version_of(session),
    )


@pytest.fixture
def path(store: SessionStore) -> Path:
    """The file of a session "a" that holds one message."""
    store.create("a", title="t", metadata={"k": 1})
    store.append("a", m("m0"))
    return Path(store.path("a"))


def test_two_stores_that_changed_different_things_both_save(
    folder: Path, store: SessionStore, path: Path
) -> None:
    with SessionStore(folder) as other:
        ours, theirs = store.load("a"), other.load("a")
        theirs.messages.append(m("theirs"))
        theirs.tags = ["theirs"]
        other.save(theirs)
        ours.messages.append(m("ours"))
        ours.title = "ours"
        assert store.save(ours, on_conflict="merge") is ours

        assert [one["id"] for one in ours.messages] == ["m0", "theirs", "ours"]
        assert (ours.title, ours.tags, ours.revision) == ("ours", ["theirs"], 4)
        assert written(store.load("a")) == written(ours) == written(other.load("a"))
        assert [one.title for one in other.list().items] == ["ours"]


def test_code_that_awaits_merges_too(folder: Path, store: SessionStore, path: Path) -> None:
    async def save() -> Session:
        async with AsyncSessionStore(folder) as other:
            session = await other.load("a")
            store.append("a", m("theirs"))
            session.title = "ours"
            return await other.save(session, on_conflict="merge")

    assert written(asyncio.run(save())) == written(store.load("a"))
    assert (store.load("a").title, len(store.load("a").messages)) == ("ours", 2)


def test_after_a_merge_the_session_can_be_saved_again(store: SessionStore, path: Path) -> None:
    session = store.load("a")
    for number in range(3):
        store.append("a", m(f"theirs {number}"))
        session.messages.append(m(f"ours {number}"))
        store.save(session, on_conflict="merge")
        session.state["saved"] = number
        assert store.save(session).revision == 3 * number + 5
    ids = [one["id"] for one in store.load("a").messages]
    assert ids == ["m0", *(f"{who} {n}" for n in range(3) for who in ("theirs", "ours"))]


def test_an_edit_by_another_program_is_merged(store: SessionStore, path: Path) -> None:
    session = store.load("a")
    edit_outside(path, title="by hand", note={"of": "an editor"}, created_at="2026-01-01T03:00Z")
    session.messages.append(m("ours"))
    session.extra["own"] = 1
    store.save(session, on_conflict="merge")
    assert (session.title, session.extra) == ("by hand", {"note": {"of": "an editor"}, "own": 1})
    stored = json.loads(path.read_text())
    assert (stored["title"], len(stored["messages"]), stored["own"]) == ("by hand", 2, 1)
    assert stored["created_at"] == "2026-01-01T03:00Z"
    assert written(store.load("a")) == written(session)


def test_a_file_that_was_only_laid_out_anew_is_merged(store: SessionStore, path: Path) -> None:
    session = store.load("a")
    edit_outside(path)
    session.title = "ours"
    store.save(session, on_conflict="merge")
    assert (store.load("a").title, session.revision) == ("ours", 3)


def test_without_a_change_of_others_it_is_a_plain_save(store: SessionStore, path: Path) -> None:
    session = store.load("a")
    os.utime(path)
    session.title = "ours"
    assert store.save(session, on_conflict="merge").revision == 3
    assert store.save(Session(session_id="new"), on_conflict="merge").revision == 1

    session.title = "again"
    before = store.stats().counters["files_read"]
    assert store.save(session, on_conflict="merge").revision == 4
    assert store.stats().counters["files_read"] == before


def test_what_was_not_changed_is_not_compared(store: SessionStore, path: Path) -> None:
    session = store.load("a")
    store.rename("a", "theirs")
    before = state_of(session)
    store.save(session, on_conflict="merge")
    assert state_of(session) == before


def test_what_both_changed_alike_is_not_written_again(store: SessionStore, path: Path) -> None:
    session = store.load("a")
    store.rename("a", "the same")
    session.title = "the same"
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert store.save(session, on_conflict="merge").revision == 3
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    session.title = "another"
    assert store.save(session).revision == 4


def test_a_conflict_leaves_file_and_session_as_they_were(store: SessionStore, path: Path) -> None:
    session = store.load("a")
    edit_outside(path, title="theirs", status="theirs")
    session.title = "ours"
    session.messages.append(m("ours"))
    session.extra["own"] = {"x": 1}
    before, data = state_of(session), path.read_bytes()
    with pytest.raises(ConflictError, match="both sides changed title; nothing") as caught:
        store.save(session, on_conflict="merge")
    error = caught.value
    assert error.conflicts == ("title",)
    assert error.expected is not None
    assert error.found is not None
    assert (error.expected.title, error.found.title) == ("t", "theirs")
    assert (state_of(session), path.read_bytes()) == (before, data)

    session.title = "t"
    store.save(session, on_conflict="merge")
    assert store.load("a").title == "theirs"


def test_without_being_asked_nothing_is_merged(store: SessionStore, path: Path) -> None:
    session = store.load("a")
    store.append("a", m("theirs"))
    session.title = "ours"
    with pytest.raises(ConflictError, match="changed by someone else") as caught:
        store.save(session)
    assert caught.value.conflicts == ()


@pytest.mark.parametrize("act", ["delete", "made anew"])
def test_where_there_is_nothing_to_merge_it_is_a_conflict(
    act: str, store: SessionStore, path: Path
) -> None:
    session = store.load("a") if act == "delete" else Session(session_id="a")
    if act == "delete":
        path.unlink()
    session.title = "ours"
    before = state_of(session)
    with pytest.raises(ConflictError) as caught:
        store.save(session, on_conflict="merge")
    assert caught.value.conflicts == ()
    assert state_of(session) == before


def test_an_unreadable_file_is_not_merged(store: SessionStore, path: Path) -> None:
    session = store.load("a")
    path.write_text("{torn")
    session.title = "ours"
    before = state_of(session)
    with pytest.raises(UnreadableSessionError):
        store.save(session, on_conflict="merge")
    assert (state_of(session), path.read_text()) == (before, "{torn")


def test_a_file_of_a_newer_format_is_not_merged(store: SessionStore, path: Path) -> None:
    session = store.load("a")
    edit_outside(path, format="localsessions/2", title="theirs")
    session.title = "ours"
    before, data = state_of(session), path.read_bytes()
    with pytest.raises(FormatVersionError, match="localsessions/2"):
        store.save(session, on_conflict="merge")
    assert (state_of(session), path.read_bytes()) == (before, data)


def test_an_unknown_way_is_refused(store: SessionStore) -> None:
    with pytest.raises(ValueError, match="on_conflict"):
        store.save(Session(session_id="a"), on_conflict="theirs")  # type: ignore[arg-type]
    assert store.get("a") is None


def test_what_cannot_be_stored_is_refused_before_a_merge(store: SessionStore, path: Path) -> None:
    session = store.load("a")
    store.rename("a", "theirs")
    session.state["x"] = {1}  # type: ignore[assignment]
    before = session.title
    with pytest.raises(UnstorableValueError, match=r"state\.x"):
        store.save(session, on_conflict="merge")
    assert session.title == before


def act_after_merging(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    def merge_and_act(base: Session, ours: Session, theirs: Session) -> Merged:
        merged = merge(base, ours, theirs)
        act()
        return merged

    monkeypatch.setattr(drafts, "merge", merge_and_act)


def test_a_program_that_knows_no_locks_loses_nothing_to_a_merge(
    store: SessionStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = store.load("a")
    store.append("a", m("theirs"))
    session.title = "ours"
    act_after_merging(monkeypatch, lambda: edit_outside(path, note="just now"))
    before = state_of(session)
    with pytest.raises(ConflictError):
        store.save(session, on_conflict="merge")
    assert state_of(session) == before
    monkeypatch.undo()
    store.save(session, on_conflict="merge")
    assert (store.load("a").title, store.load("a").extra) == ("ours", {"note": "just now"})


def test_on_a_full_disk_a_merge_leaves_all_as_it_was(
    store: SessionStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = store.load("a")
    store.append("a", m("theirs"))
    session.title = "ours"
    before, data = state_of(session), path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    calls.put_in_place_of(monkeypatch, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        store.save(session, on_conflict="merge")
    assert (state_of(session), path.read_bytes()) == (before, data)


@pytest.mark.needs("folder syncs")
def test_when_the_disk_does_not_confirm_a_merge_memory_moves_on_with_the_file(
    store: SessionStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = store.load("a")
    store.append("a", m("theirs"))
    session.title = "ours"
    real = os.fsync

    def fail(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EIO, "the disk failed")
        real(fd)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DurabilityUnknownError):
        store.save(session, on_conflict="merge")
    assert (len(session.messages), store.load("a").title) == (2, "ours")
    monkeypatch.undo()
    session.title = "again"
    assert store.save(session).revision == 5


# -- times of a merge ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (None, None, "now"),
        (None, "2099-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z"),
        ("2020-01-01T00:00:00.000Z", None, "2020-01-01T00:00:00.000Z"),
        (
            "2020-01-01T00:00:00.000Z",
            "2021-01-01T00:00:00.000Z",
            "2021-01-01T00:00:00.000Z",
        ),
        (
            "2021-01-01T00:00:00.000Z",
            "2020-01-01T00:00:00.000Z",
            "2021-01-01T00:00:00.000Z",
        ),
    ],
)
def test_the_last_activity_is_now_unless_somebody_set_it(
    ours: str | None, theirs: str | None, expected: str, store: SessionStore, path: Path
) -> None:
    session = store.load("a")
    edit_outside(path, note=1, **({"last_activity": theirs} if theirs else {}))
    session.title = "ours"
    if ours:
        session.last_activity = datetime.fromisoformat(ours)
    store.save(session, on_conflict="merge")
    now = format_instant(session.updated_at)
    stored = json.loads(path.read_text())
    assert stored["last_activity"] == (now if expected == "now" else expected)
    assert format_instant(session.last_activity) == stored["last_activity"]


# -- several processes -----------------------------------------------------------------------


def test_processes_that_save_with_a_merge_lose_no_message(
    folder: Path, store: SessionStore, start: Start
) -> None:
    store.create("s")
    writers = [start("merge_messages.py", folder, "s", name, 50) for name in "abc"]
    assert [child.stdout and child.stdout.readline() for child in writers] == ["ready\n"] * 3
    for child in writers:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    merges = [int(child.communicate()[0]) for child in writers]
    assert [child.returncode for child in writers] == [0] * 3

    session = store.load("s")
    ids = [str(one["id"]) for one in session.messages]
    for name in "abc":
        assert [one for one in ids if one[0] == name] == [f"{name} {n}" for n in range(50)]
    assert (len(ids), session.revision) == (150, 151)
    assert sum(merges) >= 2  # the first saves stand on one version, so two of them were merges
