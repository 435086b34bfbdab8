"""The family of errors: its shape, what each one carries, and what it tells a person."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from localsessions import SessionStore, errors
from localsessions.errors import (
    AmbiguousReferenceError,
    BackupError,
    ChangesExpiredError,
    ConflictError,
    DurabilityUnknownError,
    FormatVersionError,
    LockTimeoutError,
    NotOwnerError,
    SearchGivenUpError,
    SessionError,
    SessionExistsError,
    SessionLimitError,
    SessionNotFoundError,
    StoreUnavailableError,
    UnreadableSessionError,
    UnstorableValueError,
)
from localsessions.models import SessionSummary

NOW = datetime(2026, 1, 2, tzinfo=UTC)
THEN = SessionSummary(
    session_id="s", created_at=NOW, last_activity=NOW, updated_at=NOW, revision=3, message_count=7
)
SINCE = THEN.model_copy(update={"revision": 5, "message_count": 9})
FULL = OSError(28, "No space left on device")

# Each error with its data, and the words of its message: what, where, and the remedy.
EXAMPLES: dict[str, tuple[SessionError, dict[str, object], list[str]]] = {
    "not found": (
        SessionNotFoundError("s", path="/d/s.json"),
        {"session_id": "s", "path": "/d/s.json", "what": "session"},
        ["no session 's'", "/d/s.json", "list() shows"],
    ),
    "checkpoint not found": (
        SessionNotFoundError("s", what="a checkpoint 'c' of session"),
        {"session_id": "s", "path": None},
        ["no checkpoint 'c' of session 's'"],
    ),
    "ambiguous": (
        AmbiguousReferenceError("a", (THEN, SINCE), is_more=True, path="/d"),
        {"reference": "a", "fitting": (THEN, SINCE), "is_more": True, "session_id": None},
        ["'a' fits more than one session: s, s, ...", "give more of the id"],
    ),
    "exists": (
        SessionExistsError("s", path="/d/s.json"),
        {"session_id": "s", "path": "/d/s.json", "existing": "s"},
        ["'s' exists already", "load() it, or choose another id"],
    ),
    "unavailable": (
        StoreUnavailableError("postgresql://h/db", "it is away", session_id="s"),
        {"session_id": "s", "path": "postgresql://h/db", "is_unknown": False},
        ["postgresql://h/db is not available", "it is away", "nothing was written", "try again"],
    ),
    "outcome unknown": (
        StoreUnavailableError("postgresql://h/db", "it is away", is_unknown=True),
        {"reason": "it is away", "is_unknown": True},
        ["whether it was written is not known", "load() it again"],
    ),
    "twin exists": (
        SessionExistsError("S", existing="s"),
        {"session_id": "S", "existing": "s"},
        ["'S' would share one file with 's'", "choose another id"],
    ),
    "changed by someone": (
        ConflictError("s", path="/d/s.json", expected=THEN, found=SINCE),
        {"path": "/d/s.json", "expected": THEN, "found": SINCE, "conflicts": ()},
        ["revision 3 with 7 messages then", "revision 5 with 9 now", "load() it again", "edit()"],
    ),
    "not to be merged": (
        ConflictError("s", expected=THEN, found=SINCE, conflicts=("title", "messages[id=m1]")),
        {"expected": THEN, "found": SINCE, "conflicts": ("title", "messages[id=m1]")},
        ["both sides changed title, messages[id=m1]; nothing was written", "load() it again"],
    ),
    "not to be merged in many places": (
        ConflictError("s", expected=THEN, found=SINCE, conflicts=tuple("abcdefg")),
        {"conflicts": tuple("abcdefg")},
        ["both sides changed a, b, c, d, e and 2 more; nothing was written"],
    ),
    "deleted by someone": (
        ConflictError("s", expected=THEN),
        {"expected": THEN, "found": None},
        ["was deleted after it was loaded", "nothing was written"],
    ),
    "made by someone": (
        ConflictError("s", found=SINCE),
        {"expected": None, "found": SINCE},
        ["exists already, but this one was never loaded", "nothing was written"],
    ),
    "unreadable": (
        UnreadableSessionError("s", "it is torn", path="/d/s.json", line=3, column=14),
        {"session_id": "s", "path": "/d/s.json", "reason": "it is torn", "line": 3, "column": 14},
        ["'s' cannot be read at line 3, column 14: it is torn (/d/s.json)", "repair or move"],
    ),
    "unreadable without place": (
        UnreadableSessionError("s", "it is a folder"),
        {"reason": "it is a folder", "line": None, "column": None, "path": None},
        ["'s' cannot be read: it is a folder; repair"],
    ),
    "newer format": (
        FormatVersionError("s", "localsessions/2", "localsessions/1", path="/d/s.json"),
        {"found": "localsessions/2", "supported": "localsessions/1", "path": "/d/s.json"},
        ["'localsessions/2'", "'localsessions/1'", "nothing was written", "upgrade localsessions"],
    ),
    "locked": (
        LockTimeoutError(2.5, session_id="s", path="/d/.localsessions/locks/7f"),
        {"timeout": 2.5, "session_id": "s", "path": "/d/.localsessions/locks/7f", "holder": None},
        ["'s' stayed locked for 2.5 s", "/d/.localsessions/locks/7f", "longer lock_timeout"],
    ),
    "locked by somebody": (
        LockTimeoutError(2.5, session_id="s", path="/d/7f", holder="python ide.py (pid 123)"),
        {"timeout": 2.5, "holder": "python ide.py (pid 123)"},
        ["'s' stayed locked for 2.5 s by python ide.py (pid 123)"],
    ),
    "perhaps not durable": (
        DurabilityUnknownError(FULL, session_id="s", path="/d"),
        {"session_id": "s", "path": "/d", "errno": 28},
        ["'s' was written", "syncing /d failed (No space left on device)", "save again"],
    ),
    "unstorable": (
        UnstorableValueError("messages[3].content", "JSON has no nan", session_id="s"),
        {"where": "messages[3].content", "reason": "JSON has no nan", "session_id": "s"},
        ["messages[3].content cannot be stored without loss: JSON has no nan", "nothing was"],
    ),
    "unstorable as a whole": (
        UnstorableValueError("", "it is too large"),
        {"where": ""},
        ["the session cannot be stored without loss: it is too large"],
    ),
    "too many": (
        SessionLimitError(10, path="/d"),
        {"limit": 10, "path": "/d", "session_id": None},
        ["10 live sessions", "delete some, or allow more"],
    ),
    "not the owner": (
        NotOwnerError("s", "eve", path="/d/s.json"),
        {"session_id": "s", "user_id": "eve", "path": "/d/s.json"},
        ["'s' belongs to another user than 'eve'", "nothing was written"],
    ),
    "changes not known": (
        ChangesExpiredError(17, path="/d"),
        {"since": 17, "path": "/d", "session_id": None},
        ["since 17 is not known", "list() again", "last_change()"],
    ),
    "backup": (
        BackupError("it is a link", member="../a", path="/b.tar"),
        {"session_id": None, "path": "/b.tar", "member": "../a", "reason": "it is a link"},
        ["/b.tar", "'../a'", "it is a link", "nothing was changed", "another backup"],
    ),
    "given up": (SearchGivenUpError(), {"session_id": None}, ["given up", "no longer wanted"]),
}

each = pytest.mark.parametrize("name", EXAMPLES)


def classes_drawn() -> dict[str, tuple[str, ...]]:
    """Return the tree of the docstring: each class with its bases, parents by indentation."""
    drawn: dict[str, tuple[str, ...]] = {}
    above: list[tuple[int, str]] = []
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        match = re.match(r"( {4,})(\w+Error)(?:\(([\w, ]+)\))?(?= |$)", line)
        if match is None:
            continue
        indent, name, others = len(match[1]), match[2], match[3]
        above = [(depth, parent) for depth, parent in above if depth < indent]
        parents = [above[-1][1]] if above else []
        drawn[name] = (*parents, *(others.split(", ") if others else ()))
        above.append((indent, name))
    return drawn


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    classes = {
        name: tuple(base.__name__ for base in kind.__bases__)
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, Exception)
    }
    assert classes_drawn() == classes


def test_every_error_is_public_and_has_an_example_here() -> None:
    assert sorted(classes_drawn()) == errors.__all__
    leaves = {type(error).__name__ for error, _, _ in EXAMPLES.values()}
    assert leaves == set(errors.__all__) - {"SessionError"}


@each
def test_an_error_carries_its_data(name: str) -> None:
    error, data, _ = EXAMPLES[name]
    assert {key: getattr(error, key) for key in data} == data


@each
def test_an_error_says_what_where_and_the_remedy(name: str) -> None:
    error, _, words = EXAMPLES[name]
    assert [word for word in words if word not in str(error)] == []


@each
def test_an_error_pickles_with_message_and_data(name: str) -> None:
    error, data, _ = EXAMPLES[name]
    error.add_note("found by the nightly check")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.args) == (str(error), error.args)
    assert {key: getattr(again, key) for key in data} == data
    assert again.__notes__[-1] == "found by the nightly check"


@each
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_an_error_can_be_copied(name: str, duplicate: object) -> None:
    error, data, _ = EXAMPLES[name]
    assert callable(duplicate)
    again = duplicate(error)
    assert (type(again), str(again)) == (type(error), str(error))
    assert {key: getattr(again, key) for key in data} == data


@pytest.mark.parametrize(
    ("name", "caught_as"),
    [
        ("not found", LookupError),
        ("ambiguous", ValueError),
        ("locked", TimeoutError),
        ("perhaps not durable", OSError),
        ("unstorable", ValueError),
        ("unstorable", TypeError),
        ("too many", RuntimeError),
        ("not the owner", PermissionError),
    ],
)
def test_an_error_is_caught_by_its_builtin_name(name: str, caught_as: type[Exception]) -> None:
    error = EXAMPLES[name][0]
    with pytest.raises(caught_as) as caught:
        raise error
    assert caught.value is error


# -- arguments of another type -------------------------------------------------------------------

OTHER_TYPES: dict[str, Callable[[Any, Any], object]] = {
    "save_dir": lambda store, other: SessionStore(other),
    "text": lambda store, other: store.search(other),
    "user_id": lambda store, other: store.count(user_id=other),
    "agent_id": lambda store, other: store.list(agent_id=other),
    "status": lambda store, other: store.search("x", status=other),
    "since": lambda store, other: store.list(since=other),
    "limit": lambda store, other: store.list(limit=other),
    "finding": lambda store, other: store.repair(other),
    "session": lambda store, other: store.save(other),
    "session_id": lambda store, other: store.load(other),
    "n": lambda store, other: store.tail("a", other),
    "at": lambda store, other: store.fork("a", at=other),
    "agent": lambda store, other: store.switch_agent("a", other),
    "reason": lambda store, other: store.switch_agent("a", "coder", other),
    "a tag": lambda store, other: store.tag("a", other),
    "title": lambda store, other: store.rename("a", other),
    "metadata": lambda store, other: store.create(metadata=other),
    "max_age": lambda store, other: store.cleanup(max_age=other),
    "run": lambda store, other: store.upsert_run("a", other),
    "callback": lambda store, other: store.watch(other),
}


@pytest.mark.parametrize("name", OTHER_TYPES)
def test_an_argument_of_another_type_is_named_and_nothing_is_done(
    name: str, store: SessionStore
) -> None:
    store.create("a", title="A")
    before = store.load("a")
    for other in (b"x", 1.5j, object()):
        with pytest.raises(TypeError, match=f"^{name} must be .*not {type(other).__name__}$"):
            OTHER_TYPES[name](store, other)
    assert (store.load("a"), store.count()) == (before, 1)


SEVERAL: dict[str, Callable[[Any, Any], object]] = {
    "sessions": lambda store, other: store.save_many(other),
    "session_ids": lambda store, other: store.delete_many(other),
    "remove": lambda store, other: store.tag("a", remove=other),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_one_in_the_place_of_several_is_refused(name: str, store: SessionStore) -> None:
    created = store.create("a")
    store.tag("a", "t")
    for other in (None, 1, *([created] if name == "sessions" else ["a", "t"])):
        with pytest.raises(TypeError, match="must be"):
            SEVERAL[name](store, other)
    assert store.count() == 1
    assert store.load("a").tags == ["t"]
    store.tag("a", remove=iter(["t"]))  # type: ignore[arg-type]
    assert store.load("a").tags == []


def test_the_trash_is_not_emptied_by_an_age_of_another_type(store: SessionStore) -> None:
    store.create("a")
    store.delete("a")
    with pytest.raises(TypeError, match="max_age must be a number of seconds or a timedelta"):
        store.empty_trash(max_age="1")  # type: ignore[arg-type]
    assert len(store.trash()) == 1
