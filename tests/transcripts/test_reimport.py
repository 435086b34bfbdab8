"""A session that was imported before is brought up to what its source says now."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import JsonValue

from localsessions import Session
from localsessions.models import Message
from localsessions.transcripts.reimport import identity_of, is_same_source, mark_imported, update

BEGUN = datetime(2025, 1, 1, tzinfo=UTC)
PLACE: dict[str, JsonValue] = {"program": "p", "session_id": "own"}


def m(name: str, text: str = "", **more: JsonValue) -> Message:
    return {"id": name, "role": "user", "content": text or name, **more}


def at(name: str, minute: int) -> Message:
    return m(name, created_at=f"2026-01-01T00:{minute:02}:00Z")


def found(*messages: Message, title: str | None = None, **source: JsonValue) -> Session:
    """Return a session as an import reads it."""
    named: dict[str, JsonValue] = {"title": title} if title else {}
    return Session(
        session_id="s",
        title=title,
        messages=[*messages],
        source=PLACE | named | source,
        created_at=BEGUN,
        last_activity=BEGUN,
    )


def stored(*messages: Message, title: str | None = None, **source: JsonValue) -> Session:
    """Return a session as it stands in the store after an import."""
    return mark_imported(found(*messages, title=title, **source)).session


def contents(session: Session) -> list[JsonValue]:
    return [message["content"] for message in session.messages]


# -- messages ------------------------------------------------------------------------------------


def test_what_did_not_change_changes_nothing() -> None:
    session = stored(m("a"), m("b"), title="T")
    before = session.model_copy(deep=True)
    assert not update(session, found(m("a"), m("b"), title="T")).changed
    assert session == before


def test_a_message_that_is_unchanged_here_takes_what_the_source_says_now() -> None:
    session = stored(m("a", "half"), m("b"))
    did = update(session, found(m("a", "half and whole"), m("b")))
    assert (did.added, did.updated, did.both, did.changed) == (0, 1, 0, True)
    assert contents(session) == ["half and whole", "b"]
    assert not update(session, found(m("a", "half and whole"), m("b"))).changed


def test_a_message_that_is_unchanged_in_the_source_stays_as_it_is_here() -> None:
    session = stored(m("a"), m("b"))
    session.messages[0]["content"] = "mine"
    assert not update(session, found(m("a"), m("b"))).changed
    assert update(session, found(m("a"), m("b"), m("c"))).added == 1
    assert contents(session) == ["mine", "b", "c"]


def test_a_message_that_was_removed_here_stays_away() -> None:
    session = stored(m("a"), m("b"))
    del session.messages[0]
    update(session, found(m("a"), m("b"), m("c")))
    assert contents(session) == ["b", "c"]


def test_a_message_that_was_removed_here_and_changed_in_the_source_is_back() -> None:
    session = stored(m("a", "half"), m("b"))
    del session.messages[0]
    assert update(session, found(m("a", "whole"), m("b"))).added == 1
    assert contents(session) == ["whole", "b"]


def test_a_message_that_both_changed_is_kept_twice_and_marked() -> None:
    session = stored(m("a"), m("b"))
    session.messages[0]["content"] = "mine"
    did = update(session, found(m("a", "theirs"), m("b")))
    assert (did.added, did.updated, did.both) == (0, 0, 1)
    assert session.messages == [
        m("a", "mine"), m("a~source", "theirs", source_of="a"), m("b"),
    ]  # fmt: skip
    assert not update(session, found(m("a", "theirs"), m("b"))).changed


def test_what_is_kept_beside_follows_the_source() -> None:
    session = stored(m("a"))
    session.messages[0]["content"] = "mine"
    for text in ("theirs", "theirs again", "theirs at last"):
        update(session, found(m("a", text)))
    assert contents(session) == ["mine", "theirs at last"]
    assert session.messages[1]["source_of"] == "a"


def test_what_is_kept_beside_and_changed_here_is_not_overwritten() -> None:
    session = stored(m("a"))
    session.messages[0]["content"] = "mine"
    update(session, found(m("a", "theirs")))
    session.messages[1]["content"] = "mine too"
    update(session, found(m("a", "theirs again")))
    assert contents(session) == ["mine", "mine too", "theirs again"]
    assert [message["id"] for message in session.messages] == ["a", "a~source", "a~source2"]


def test_both_changed_alike_is_no_conflict() -> None:
    session = stored(m("a"))
    session.messages[0]["content"] = "same"
    did = update(session, found(m("a", "same")))
    assert (did.updated, did.both) == (0, 0)
    assert not update(session, found(m("a", "same"))).changed


def test_what_is_gone_from_the_source_stays() -> None:
    session = stored(m("a"), m("b"), m("c"))
    update(session, found(m("c"), m("d")))
    assert contents(session) == ["a", "b", "c", "d"]


def test_what_was_pending_goes_when_it_was_taken_up() -> None:
    session = stored(m("a"), m("queue-1", "go on", pending=True))
    update(session, found(m("a"), m("b"), m("u", "go on")))
    assert contents(session) == ["a", "b", "go on"]
    assert not update(session, found(m("a"), m("b"), m("u", "go on"))).changed


def test_what_was_pending_and_changed_here_stays() -> None:
    session = stored(m("queue-1", "go on", pending=True))
    session.messages[0]["content"] = "go on, slowly"
    update(session, found(m("u", "go on")))
    assert sorted(map(str, contents(session))) == ["go on", "go on, slowly"]


# -- order ---------------------------------------------------------------------------------------


def test_what_the_source_has_only_in_part_by_now_stays_as_it_was_imported() -> None:
    session = stored(m("a", "more"), m("b"))
    did = update(session, found(m("a", "less", abridged=True), m("b")))
    assert (contents(session), did.changed) == (["more", "b"], False)


def test_what_was_removed_here_stays_away_if_the_source_has_only_a_part_by_now() -> None:
    session = stored(m("a", "more"), m("b"))
    del session.messages[0]
    update(session, found(m("a", "less", abridged=True), m("b")))
    assert contents(session) == ["b"]


def test_what_was_imported_in_part_takes_the_whole() -> None:
    session = stored(m("a", "less", abridged=True))
    update(session, found(m("a", "more")))
    assert session.messages == [m("a", "more")]


@pytest.mark.parametrize(
    ("here", "there", "together"),
    [
        ("abX", "abc", "abXc"),
        ("aXb", "abc", "aXbc"),
        ("Xab", "abc", "Xabc"),
        ("abX", "zab", "zabX"),
        ("abX", "azb", "azbX"),
        ("abXY", "abcd", "abXYcd"),
        ("ba", "abc", "bca"),
        ("baX", "abc", "bcaX"),
        ("ab", "bca", "bca"),
        ("aXb", "bac", "bacX"),
    ],
)
def test_both_sides_keep_their_places(here: str, there: str, together: str) -> None:
    session = stored(m("a"), m("b"))
    by_name = {message["id"]: message for message in session.messages}
    session.messages = [by_name.get(name, m(name)) for name in here]
    update(session, found(*map(m, there)))
    assert "".join(map(str, contents(session))) == together
    assert not update(session, found(*map(m, there))).changed


def test_of_two_messages_at_one_place_the_earlier_comes_first() -> None:
    session = stored(at("a", 0))
    session.messages += [at("X", 5), at("Y", 15)]
    update(session, found(at("a", 0), at("b", 3), at("c", 10), at("d", 20)))
    assert "".join(map(str, contents(session))) == "abXcYd"


def test_growing_step_by_step_and_at_once_give_the_same() -> None:
    session = stored(m("a"))
    for end in range(1, 6):
        update(session, found(*map(m, "abcde"[:end])))
    at_once = stored(*map(m, "abcde"))
    assert (session.messages, session.source) == (at_once.messages, at_once.source)


# -- the session as a whole ----------------------------------------------------------------------


def test_a_title_that_the_source_gives_later_is_taken() -> None:
    session = stored(m("a"))
    assert update(session, found(m("a"), title="Late")).changed
    assert session.title == "Late"
    update(session, found(m("a"), title="Later"))
    assert session.title == "Later"


def test_a_title_that_a_person_set_here_stays() -> None:
    session = stored(m("a"), title="Theirs")
    session.title = "Mine"
    update(session, found(m("a"), m("b"), title="Theirs again"))
    assert session.title == "Mine"
    assert session.source["title"] == "Theirs again"


def test_what_the_source_says_of_the_session_is_taken() -> None:
    session = stored(m("a"), branch="main", model="x")
    update(session, found(m("a"), branch="topic"))
    assert (session.source["branch"], session.source["model"]) == ("topic", "x")


def test_an_older_copy_says_nothing_new_of_the_whole(tmp_path: Path) -> None:
    session = stored(m("a"), m("b"), title="New", branch="topic", file=str(tmp_path))
    before = session.model_copy(deep=True)
    assert not update(session, found(m("a"), title="Old", branch="main", file="/old")).changed
    assert session == before


def files(tmp_path: Path, *ages: int) -> list[str]:
    """Make files that were modified so many seconds ago."""
    for number, age in enumerate(ages):
        path = tmp_path / f"{number}.jsonl"
        path.touch()
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    return [str(tmp_path / f"{number}.jsonl") for number in range(len(ages))]


def test_two_files_with_one_session_do_not_undo_each_other(tmp_path: Path) -> None:
    one, other = files(tmp_path, 10, 10)
    session = stored(m("a", "as one has it"), m("b"), file=one)
    assert not update(session, found(m("a", "as the other has it"), file=other)).changed
    assert not update(session, found(m("a", "other"), m("b"), file=other)).changed
    assert not update(session, found(m("a", "as one has it"), m("b"), file=one)).changed


def test_a_file_with_a_part_of_the_session_adds_what_is_new(tmp_path: Path) -> None:
    one, other = files(tmp_path, 10, 0)
    session = stored(m("a"), m("b"), file=one, branch="main")
    did = update(session, found(m("a", "other"), m("c"), file=other, branch="topic"))
    assert (did.added, did.updated, contents(session)) == (1, 0, ["a", "b", "c"])
    assert (session.source["file"], session.source["branch"]) == (one, "main")
    assert not update(session, found(m("a", "other"), m("c"), file=other)).changed


@pytest.mark.parametrize(("age", "more"), [(10, [m("c")]), (0, [])])
def test_a_file_that_has_all_and_more_or_later_is_taken(
    age: int, more: list[Message], tmp_path: Path
) -> None:
    one, other = files(tmp_path, 10, age)
    session = stored(m("a"), m("b"), file=one)
    update(session, found(m("a", "later"), m("b"), *more, file=other))
    assert contents(session)[:2] == ["later", "b"]
    assert session.source["file"] == other
    assert not update(session, found(m("a"), m("b"), file=one)).changed


def test_a_file_that_moved_is_taken(tmp_path: Path) -> None:
    session = stored(m("a"), file=str(tmp_path / "gone"))
    assert update(session, found(m("a"), file="/moved")).changed
    assert session.source["file"] == "/moved"


@pytest.mark.parametrize("age", [0, 10, 20])
def test_what_waits_in_a_shorter_copy_does_not_double_what_became_of_it(
    age: int, tmp_path: Path
) -> None:
    short, whole = files(tmp_path, age, 10)
    waits, done = m("q", "then run it", pending=True), m("u2", "then run it")
    older, newer = (m("a"), waits), (m("a"), done, m("c"))
    session = stored(*newer, file=whole)
    assert not update(session, found(*older, file=short)).changed
    session = stored(*older, file=short)
    assert update(session, found(*newer, file=whole)).changed
    assert contents(session) == ["a", "then run it", "c"]
    assert not update(session, found(*older, file=short)).changed


def test_what_waits_in_a_shorter_copy_alone_is_kept(tmp_path: Path) -> None:
    short, whole = files(tmp_path, 20, 10)
    session = stored(m("a"), m("c"), file=whole)
    update(session, found(m("a"), m("q", "never taken up", pending=True), file=short))
    assert contents(session) == ["a", "c", "never taken up"]


def test_what_waits_in_two_files_of_a_session_comes_to_rest(tmp_path: Path) -> None:
    short, whole = files(tmp_path, 20, 10)
    ours = found(m("a"), m("c"), file=whole)
    theirs = found(m("a"), m("q", "then run it", pending=True), file=short)
    session = mark_imported(ours).session
    assert update(session, theirs).added == 1
    for copy in (ours, theirs):
        assert not update(session, copy).changed
    assert contents(session) == ["a", "c", "then run it"]
    update(session, found(m("a"), m("c"), file=whole, branch="topic"))
    assert session.source["branch"] == "topic"
    update(session, found(m("a"), m("u", "then run it"), file=short))
    assert contents(session) == ["a", "c", "then run it"]
    assert "pending" not in session.messages[-1]


def test_a_file_with_all_but_what_waits_in_a_copy_is_taken(tmp_path: Path) -> None:
    short, whole = files(tmp_path, 20, 10)
    session = stored(m("a"), m("c"), file=whole)
    update(session, found(m("a"), m("q", "never taken up", pending=True), file=short))
    update(session, found(m("a", "later"), m("c"), m("d"), file="/copy"))
    assert contents(session) == ["later", "c", "never taken up", "d"]


def test_what_waits_in_a_copy_and_was_removed_here_stays_away(tmp_path: Path) -> None:
    short, whole = files(tmp_path, 20, 10)
    waits = m("q", "then run it", pending=True)
    session = stored(m("a"), file=whole)
    update(session, found(m("b"), waits, file=short))
    session.messages = session.messages[:-1]
    update(session, found(m("a"), m("b"), m("c"), waits, file=short))
    assert contents(session) == ["a", "b", "c"]


def test_an_answer_that_waits_in_a_copy_does_not_double_the_whole_one(tmp_path: Path) -> None:
    short, whole = files(tmp_path, 0, 10)
    waits: Message = m("half", "So", pending=True) | {"role": "assistant"}
    answer: Message = m("whole", "So it is") | {"role": "assistant"}
    session = stored(m("a"), answer, m("b"), file=whole)
    assert not update(session, found(m("a"), waits, file=short)).changed
    again = m("b2", "b")
    update(session, found(m("a"), again, waits, file=short))
    assert contents(session) == ["a", "So it is", "b", "b", "So"]


def answer(own: str, text: str, **more: JsonValue) -> Message:
    return m(own, text, **more) | {"role": "assistant"}


@pytest.mark.parametrize("settled_in", ["copy", "file"])
def test_what_waits_in_a_copy_is_replaced_when_it_settles_under_its_id(
    settled_in: str, tmp_path: Path
) -> None:
    short, whole = files(tmp_path, 20, 10)
    session = stored(m("a"), m("c"), file=whole)
    waits = [m("q", "then run it", pending=True), answer("half", "So", pending=True)]
    assert update(session, found(m("a"), *waits, file=short)).added == 2
    settled = [m("q", "then run it"), answer("half", "So it is")]
    said = {"copy": (m("a"), *settled), "file": (m("a"), m("c"), *settled)}[settled_in]
    did = update(session, found(*said, file=short if settled_in == "copy" else whole))
    assert (did.added, did.updated, did.both) == (0, 2, 0)
    assert sorted(map(str, contents(session))) == ["So it is", "a", "c", "then run it"]
    assert not any("pending" in message for message in session.messages)
    assert not update(session, found(m("a"), *settled, file=short)).changed


def test_what_was_said_before_is_no_taking_up_of_what_waits(tmp_path: Path) -> None:
    short, whole = files(tmp_path, 20, 10)
    session = stored(m("a", "go on"), answer("x", "yes"), m("c"), file=whole)
    waits = m("q", "go on", pending=True)
    assert update(session, found(m("a", "go on"), answer("x", "yes"), waits, file=short)).added == 1
    assert contents(session).count("go on") == 2


def test_an_answer_that_waits_after_a_prompt_that_was_taken_up_is_taken_up_too(
    tmp_path: Path,
) -> None:
    short, whole = files(tmp_path, 20, 10)
    session = stored(m("a"), m("u", "then run it"), answer("w", "So it is"), file=whole)
    waits = [m("q", "then run it", pending=True), answer("half", "So", pending=True)]
    assert not update(session, found(m("a"), *waits, file=short)).changed


def test_a_result_of_a_tool_is_no_answer(tmp_path: Path) -> None:
    short, whole = files(tmp_path, 20, 10)
    result: Message = m("r", "ok") | {"role": "tool"}
    session = stored(m("a"), answer("call", ""), result, m("b"), file=whole)
    half = answer("half", "So", pending=True)
    assert update(session, found(m("a"), answer("call", ""), half, file=short)).added == 1


def test_a_session_that_gets_times_is_undated_no_more() -> None:
    session = stored(m("a"), undated="2026-05-01T00:00:00.000Z")
    session.created_at = session.last_activity = datetime(2026, 5, 1, tzinfo=UTC)
    later = found(m("a"), m("b"))
    later.created_at = datetime(2026, 1, 1, tzinfo=UTC)
    later.last_activity = datetime(2026, 1, 2, tzinfo=UTC)
    update(session, later)
    assert "undated" not in session.source
    assert (session.created_at, session.last_activity) == (later.created_at, later.last_activity)


def test_a_link_that_is_known_later_is_taken() -> None:
    session = stored(m("a"))
    later = found(m("a"))
    later.forked_from = {"session_id": "elder"}
    update(session, later)
    assert session.forked_from == {"session_id": "elder"}


def test_where_it_was_forked_may_be_known_later_than_from_what() -> None:
    elder: dict[str, JsonValue] = {"session_id": "elder"}
    session = stored(m("a"))
    session.forked_from = elder | {"message_id": "u1"}
    later = found(m("a"), m("b"))
    later.forked_from = elder | {"message_id": "a1"}
    update(session, later)
    assert session.forked_from == elder | {"message_id": "a1"}


# -- the same source -----------------------------------------------------------------------------


def test_a_session_is_known_by_program_and_own_id_and_else_by_its_file() -> None:
    assert identity_of(PLACE) == identity_of(PLACE | {"file": "/moved"})
    assert identity_of(PLACE) != identity_of(PLACE | {"program": "q"})
    by_file: dict[str, JsonValue] = {"program": "p", "file": "/f", "element": "x-1"}
    assert identity_of(by_file) == identity_of(dict(by_file))
    assert identity_of(by_file) != identity_of(by_file | {"element": "x-2"})
    assert identity_of(by_file) != identity_of(by_file | {"file": "/g"})


def test_a_session_made_here_is_not_one_that_is_imported() -> None:
    assert not is_same_source(Session(session_id="s", messages=[m("a")]), found(m("a")))


def test_files_of_ours_are_the_same_session_if_they_share_a_message() -> None:
    ours = Session(session_id="s", messages=[m("a"), m("b")])
    assert is_same_source(ours, Session(session_id="s", messages=[m("b"), m("c")]))
    assert not is_same_source(ours, Session(session_id="s", messages=[m("c")]))
    assert is_same_source(ours, Session(session_id="s"))


def test_messages_without_ids_are_merged_by_what_they_say() -> None:
    def said(*texts: str) -> Session:
        messages: list[Message] = [{"role": "user", "content": text} for text in texts]
        return Session(session_id="s", messages=messages)

    session = said("yes", "yes", "mine")
    update(session, said("yes", "yes", "yes"))
    assert contents(session) == ["yes", "yes", "mine", "yes"]
    assert not update(session, said("yes", "yes", "yes")).changed


def test_an_exported_copy_that_was_changed_there_does_not_hide_what_the_program_said() -> None:
    session = stored(m("a"))
    copy = session.model_copy(deep=True)
    copy.messages[0]["content"] = "edited in the copy"
    update(session, copy)
    assert contents(session) == ["edited in the copy"]
    update(session, found(m("a"), m("b")))
    assert contents(session) == ["edited in the copy", "b"]
