"""FullText on its own: what is stored of a text, and what damage does to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localsessions import SearchGivenUpError
from localsessions._local.index import fulltext, hits, text_row, wear
from localsessions._local.index.fulltext import FullText, NewTexts
from localsessions._local.index.hits import TextHit
from localsessions._rules.question import Near, Question, read_question
from localsessions._rules.texts import SESSION_ITSELF, Text


def put(texts: FullText, session_id: str, *bodies: str, digest: bytes = b"d") -> None:
    put_in(texts, session_id, {at: Text("user", body) for at, body in enumerate(bodies)}, digest)


def put_in(
    texts: FullText,
    session_id: str,
    said: dict[int, Text],
    digest: bytes | None = b"d",
    *,
    is_current: bool = True,
) -> None:
    left = texts.put([NewTexts(session_id, digest, 0, said, lambda: is_current)])
    assert left == ([] if is_current else [session_id])


def made(texts: FullText) -> int:
    """Make the database, if it is not there yet; return its generation."""
    texts.digests()
    return texts.generation


def asked(texts: FullText, words: str) -> Iterator[TextHit | None]:
    return texts.search(read_question(words))


def found(texts: FullText, words: str) -> list[tuple[str, int | None]]:
    return [(hit.session_id, hit.position) for hit in asked(texts, words) if hit]


def rows(texts: FullText) -> set[int]:
    return texts._database.read(lambda db: {one for (one,) in db.execute("SELECT id FROM texts")})


def grown(texts: FullText, turns: int, size: int = 20) -> list[str]:
    """Put a session in as it grows turn by turn; return what is said in the end."""
    bodies = [f"turn{number} {'word ' * size}" for number in range(turns)]
    for number in range(turns):
        put(texts, "a", *bodies[: number + 1])
    return bodies


def test_a_turn_unpacks_few_of_the_blocks_of_a_session(
    texts: FullText, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack, unpacked = text_row._unpacked, 0

    def counted(block: int, body: object, seal: object) -> bytes:
        nonlocal unpacked
        unpacked += 1
        return unpack(block, body, seal)

    monkeypatch.setattr(text_row, "_unpacked", counted)
    counts = []
    for turns in (40, 80, 160):
        texts.clear()
        unpacked = 0
        grown(texts, turns)
        counts.append(unpacked)
    assert counts[2] < 3 * turns
    assert counts[2] < 5 * counts[0]


def test_small_blocks_of_a_session_are_joined(texts: FullText) -> None:
    bodies = grown(texts, 200)
    assert len(blocks(texts)) < 25
    assert texts.around("a", 100, 200) == {at: Text("user", body) for at, body in enumerate(bodies)}
    assert [found(texts, f"turn{number}") for number in (0, 99, 199)] == [
        [("a", number)] for number in (0, 99, 199)
    ]


def test_full_blocks_of_a_session_stay(texts: FullText) -> None:
    bodies = grown(texts, 40, size=1200)
    before = len(blocks(texts))
    assert before > 20
    bodies[33] = "changed"
    put(texts, "a", *bodies)
    assert len(blocks(texts)) <= before + 1
    assert found(texts, "turn33") == []
    assert found(texts, "changed") == [("a", 33)]
    assert found(texts, "turn34") == [("a", 34)]


@pytest.fixture
def texts(tmp_path: Path) -> Iterator[FullText]:
    made = FullText(str(tmp_path / "search.sqlite3"))
    yield made
    made.close()


def test_texts_are_found_where_they_stand(texts: FullText) -> None:
    put(texts, "a", "nothing", "a parser")
    put(texts, "b", "parser here", "parser parser")
    assert set(found(texts, "parser")) == {("a", 1), ("b", 1)}
    assert texts.digests_of(["a", "none"]) == {"a": b"d"}
    assert texts.digests() == {"a": b"d", "b": b"d"}


def test_the_session_itself_counts_double_and_has_no_position(texts: FullText) -> None:
    put(texts, "a", "parser one two")
    own = {SESSION_ITSELF: Text(None, "parser one two")}
    put_in(texts, "b", own)
    best, second = asked(texts, "parser")
    assert isinstance(best, TextHit)
    assert isinstance(second, TextHit)
    assert (best.session_id, best.position, best.text) == ("b", None, Text(None, "parser one two"))
    bm25_of_best, bm25_of_second = (
        (score - 2) / (3 - score) for score in (best.score, second.score)
    )
    assert bm25_of_best == pytest.approx(2 * bm25_of_second)


def test_of_very_many_hits_what_came_in_last_comes_first_after_titles(
    texts: FullText, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hits, "_MANY_HITS", 5)
    monkeypatch.setattr(hits, "_WINDOW", 3)
    put_in(texts, "titled", {SESSION_ITSELF: Text(None, "parser")})
    for number in range(10):
        put(texts, f"s{number}", "parser " * (10 - number), "parser")
    expected = [("titled", None), *((f"s{number}", 1) for number in reversed(range(10)))]
    assert found(texts, "parser") == expected
    some = {"s1", "s8"}

    def ids(few: list[str] | None, question: str = "parser") -> list[str]:
        meant = hits.Meant(lambda asked: some & {*asked}, few)
        asked = texts.search(read_question(question), meant)
        return [hit.session_id for hit in asked if hit]

    assert ids(None) == ["s8", "s1"]
    assert ids(["s1", "nowhere", "s8"]) == ["s1", "s8"]
    assert ids([]) == ids(["titled"]) == []
    assert ids(["s8", "s1"], "parser role:assistant") == []


def test_few_sessions_are_asked_one_by_one_for_a_word_that_stands_everywhere(
    texts: FullText, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hits, "_MANY_HITS", 5)
    for number in range(50):
        put(texts, f"s{number:02}", "parser", "parser")
    looked: list[str] = []
    one_by_one = hits.Hits._last_in

    def counted(self: hits.Hits, session_id: str, question: Question, near: Near) -> Any:
        looked.append(session_id)
        return one_by_one(self, session_id, question, near)

    monkeypatch.setattr(hits.Hits, "_last_in", counted)
    meant = hits.Meant(lambda asked: asked, [f"s{number:02}" for number in range(49, 0, -1)])
    first = next(hit for hit in texts.search(read_question("parser"), meant) if hit)
    assert (first.session_id, first.position) == ("s49", 1)
    assert looked == [f"s{number:02}" for number in range(49, 39, -1)]


def test_only_what_changed_is_indexed_again(texts: FullText) -> None:
    put(texts, "a", "zero", "one", "two")
    before = rows(texts)
    put(texts, "a", "zero", "changed", "two", "three", digest=b"e")
    assert len(before & rows(texts)) == 2
    assert len(rows(texts)) == 4
    assert (found(texts, "one"), found(texts, "changed")) == ([], [("a", 1)])
    put(texts, "a", "zero", digest=b"f")
    assert rows(texts) < before
    assert found(texts, "two") == []
    assert texts.digests() == {"a": b"f"}


def test_words_that_were_not_learnt_before_a_kill_are_learnt_by_the_next_search(
    texts: FullText, tmp_path: Path
) -> None:
    """Of many texts all words are learnt when a search needs them, which was not before a kill."""
    texts.put(
        [NewTexts("a", b"d", 0, {0: Text("user", "a parser")}, lambda: True)], is_learning=False
    )
    assert found(texts, "parser") == [("a", 0)]
    texts.close()
    again = FullText(str(tmp_path / "search.sqlite3"))
    assert found(again, "arse") == [("a", 0)]
    put(again, "b", "a lexer")
    assert found(again, "exe") == [("b", 0)]
    again.close()


def test_a_word_that_is_cut_in_the_middle_of_a_letter_stops_nothing(texts: FullText) -> None:
    long, generation = Text("user", "a" + "ж" * 20_000 + " parser"), made(texts)
    texts.put([NewTexts("a", b"d", 0, {0: long}, lambda: True)], is_learning=False)
    texts.learn()
    assert found(texts, "arse") == [("a", 0)]
    put(texts, "a", "gone")
    assert found(texts, "arse") == []
    assert texts.generation == generation


def test_a_message_of_an_empty_role_comes_and_goes(texts: FullText) -> None:
    generation = made(texts)
    for body in ("a parser", "a lexer"):
        put_in(texts, "a", {0: Text("", body)})
        assert found(texts, body) == [("a", 0)]
    assert found(texts, "parser") == []
    assert texts.generation == generation


def test_what_was_overtaken_is_not_stored(texts: FullText) -> None:
    put(texts, "a", "kept")
    put_in(texts, "a", {0: Text("user", "older")}, b"e", is_current=False)
    put_in(texts, "a", {}, None, is_current=False)
    assert found(texts, "kept") == [("a", 0)]
    assert texts.digests() == {"a": b"d"}


def test_a_removed_session_leaves_nothing(texts: FullText) -> None:
    put(texts, "a", "parser", "parser")
    put(texts, "b", "parser")
    put_in(texts, "a", {}, None)
    assert found(texts, "parser") == [("b", 0)]
    assert texts.digests() == {"b": b"d"}
    assert len(rows(texts)) == 1


def test_clearing_forgets_everything_and_is_noticed(texts: FullText, tmp_path: Path) -> None:
    put(texts, "a", "parser")
    other = FullText(str(tmp_path / "search.sqlite3"))
    assert found(other, "parser") == [("a", 0)]
    generation = other.generation
    texts.clear()
    assert found(other, "parser") == []
    assert other.generation > generation
    assert other.digests() == {}
    put(texts, "a", "lexer")
    assert found(other, "lexer") == [("a", 0)]
    other.close()


def test_words_that_another_process_replaced_are_not_damaged(
    texts: FullText, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = FullText(str(tmp_path / "search.sqlite3"))
    put(texts, "a", "parser", "lexer")
    assert texts.digests() == {"a": b"d"}
    other.clear()
    assert (texts.digests(), other.digests()) == ({}, {})
    put(other, "b", "parser")
    assert texts.digests() == {"b": b"d"}
    assert caplog.messages == []
    other.close()


def test_lone_surrogates_come_back(texts: FullText) -> None:
    put_in(texts, "a", {0: Text("r\ud800", "half \udfff parser")})
    (hit,) = asked(texts, "parser")
    assert hit is not None
    assert hit.text == Text("r\ud800", "half \udfff parser")


@pytest.mark.parametrize(
    "garbling",
    [
        "UPDATE blocks SET body = x'70617273657220ff'",
        "UPDATE blocks SET body = CAST('another parser' AS BLOB)",
        "UPDATE blocks SET body = CAST(body AS TEXT)",
        "UPDATE blocks SET seal = seal + 1",
        "UPDATE blocks SET id = id + 1",
        "UPDATE texts SET begin = 1",
        "UPDATE texts SET begin = 'x'",
        "UPDATE texts SET size_bytes = size_bytes - 1",
        "UPDATE texts SET position = 5",
        "UPDATE texts SET role = CAST('tool' AS BLOB)",
        "UPDATE texts SET session_id = 'z'",
        "DELETE FROM texts",
        "DELETE FROM blocks",
    ],
)
def test_a_garbled_text_is_damage_and_no_hit(garbling: str, texts: FullText) -> None:
    put(texts, "a", "a parser")
    generation = texts.generation
    texts._database.write(lambda db: db.execute(garbling))
    assert found(texts, "parser") == []
    assert texts.generation > generation


def test_a_text_replaced_between_finding_and_reading_asks_again(
    texts: FullText, tmp_path: Path
) -> None:
    put(texts, "a", "a parser")
    put(texts, "b", "another parser")
    other = FullText(str(tmp_path / "search.sqlite3"))
    hits = asked(texts, "parser")
    next(hits)
    for session_id in "ab":
        put(other, session_id, "a new parser", digest=b"e")
    assert next(hits) is None
    other.close()


def test_in_memory_it_works_the_same() -> None:
    texts = FullText(None)
    put(texts, "a", "parser")
    assert found(texts, "parser") == [("a", 0)]
    assert texts.size_bytes() == 0
    texts.close()


# -- what removed texts take -----------------------------------------------------------------------


def bytes_of(texts: FullText, table: str) -> int:
    query = f"SELECT coalesce(sum(length(block)), 0) FROM {table}_data"
    return int(texts._database.read(lambda db: db.execute(query).fetchone())[0])


def terms(texts: FullText) -> set[str]:
    return texts._database.read(lambda db: {one for (one,) in db.execute("SELECT term FROM terms")})


def name_of(number: int) -> str:
    """Return a word of its own for a number."""
    return "".join("bcdfghklmn"[int(digit)] + "aeiou"[int(digit) // 2] for digit in str(number))


def said(round_: int) -> list[str]:
    return [
        " ".join(f"{name_of(round_ * 800 + number * 40 + at)} ever again" for at in range(40))
        for number in range(20)
    ]


@pytest.fixture
def worn(texts: FullText, monkeypatch: pytest.MonkeyPatch) -> FullText:
    """A database in which sessions said other things before."""
    monkeypatch.setattr(wear, "_LEAST_BYTES", 10_000)
    monkeypatch.setattr(wear, "_STEP_PAGES", 2)
    put(texts, "stays", *said(100))
    for round_ in range(30):
        put(texts, "changes", *said(round_))
    return texts


def test_words_of_removed_texts_take_no_room_for_long(worn: FullText, tmp_path: Path) -> None:
    fresh = FullText(str(tmp_path / "fresh.sqlite3"))
    for round_, session_id in ((100, "stays"), (29, "changes")):
        put(fresh, session_id, *said(round_))
    fresh._database.write(lambda db: db.execute("INSERT INTO parts (parts) VALUES ('rebuild')"))
    for table in ("words", "parts"):
        assert bytes_of(worn, table) < 8 * bytes_of(fresh, table)
    last, before = name_of(29 * 800 + 7), name_of(28 * 800 + 7)
    assert found(worn, f'"{last}"') == found(fresh, f'"{last}"') == [("changes", 0)]
    assert found(worn, f'"{name_of(100 * 800 + 7)}"') == [("stays", 0)]
    assert ("changes", 0) not in found(worn, f'"{before}"')
    fresh.close()


def test_words_that_no_text_has_any_more_are_forgotten_and_parts_of_the_others_found(
    worn: FullText,
) -> None:
    known = terms(worn)
    for round_ in (29, 100):
        assert {name_of(round_ * 800 + number) for number in range(800)} <= known
    assert len(known) < 8 * 800
    assert name_of(1) not in known
    assert found(worn, name_of(100 * 800 + 79)[1:]) == [("stays", 1)]


def test_the_words_are_whole_after_each_step_of_a_merge(worn: FullText) -> None:
    worn.digests()  # checks them
    worn.close()  # seals them
    again = FullText(worn._database.path)
    assert made(again) == 0
    assert found(again, f'"{name_of(29 * 800 + 7)}"') == [("changes", 0)]
    again.close()


def blocks(texts: FullText) -> dict[int, int]:
    """Return the sizes of all blocks, by id."""
    query = "SELECT id, length(body) FROM blocks"
    return dict(texts._database.read(lambda db: db.execute(query).fetchall()))


def used(texts: FullText) -> set[int]:
    """Return the ids of the blocks in which texts stand."""
    query = "SELECT DISTINCT block FROM texts"
    return {one for (one,) in texts._database.read(lambda db: db.execute(query).fetchall())}


def test_texts_are_stored_smaller_and_come_back_as_they_were(texts: FullText) -> None:
    bodies = ["", "x", "short", "=z", "zed " * 30, "long and long and " * 100, "\ud800 alone " * 50]
    put(texts, "a", *bodies)
    sizes = blocks(texts)
    assert sum(sizes.values()) < len("".join(bodies)) / 10
    assert {at: one.body for at, one in texts.around("a", 3, 9).items()} == dict(enumerate(bodies))
    hits_ = {hit.position: hit.text.body for hit in asked(texts, "long") if hit}
    assert hits_ == {5: bodies[5]}
    put(texts, "a", *bodies)  # nothing changed, so nothing is put in again
    assert blocks(texts) == sizes


def test_a_long_text_is_no_burden_for_those_beside_it(texts: FullText) -> None:
    put(texts, "a", "short", "long " * 10_000, "also short", "and this")
    assert len(blocks(texts)) == 3
    assert found(texts, "also") == [("a", 2)]


def test_no_block_outlives_its_texts(texts: FullText) -> None:
    bodies = [f"parser {number} " * 9 for number in range(9)]
    put(texts, "a", *bodies)
    before = rows(texts)
    for changed in range(9):
        bodies[changed] = f"lexer {changed}"
        put(texts, "a", *bodies)
        around = texts.around("a", 4, 9)
        assert {at: one.body for at, one in around.items()} == dict(enumerate(bodies))
        assert found(texts, f'"lexer {changed}"') == [("a", changed)]
        assert used(texts) == blocks(texts).keys()
    assert len(rows(texts) & before) == 0
    put_in(texts, "a", {}, None)
    assert blocks(texts) == {}


def test_of_sessions_that_grow_beside_each_other_each_is_asked_for_its_own_texts(
    texts: FullText, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hits, "_MANY_HITS", 5)
    steps: dict[int, float] = {}
    for count in (20, 80):
        for said in range(1, 9):
            for number in range(count):
                words = ["common" if number % 2 else "rare"] * said
                put(texts, f"{count}-{number:02}", *words, digest=bytes([said]))
        few = [f"{count}-{number:02}" for number in range(0, count, 2)]
        meant = hits.Meant(lambda asked: asked, few)
        looked: list[int] = []

        def look(looked: list[int] = looked) -> int:
            looked.append(1)
            return 0

        def count_steps(db: sqlite3.Connection, look: Callable[[], int] = look) -> None:
            db.set_progress_handler(look, 100)

        texts._database.read(count_steps)
        assert [*texts.search(read_question("common"), meant)] == []
        texts._database.read(lambda db: db.set_progress_handler(None, 0))
        steps[count] = len(looked) / count
    assert steps[80] <= 2 * steps[20]


def test_what_is_written_together_counts_however_it_is_written(texts: FullText) -> None:
    for number in range(9):
        put(texts, f"s{number}", "email")
    question = read_question("e-mail")
    assert texts._database.read(lambda db: hits._count(db, question, {})) == 9


def test_learning_is_given_up_by_who_does_not_want_it(texts: FullText) -> None:
    put_many = [NewTexts("a", b"d", 0, {0: Text("user", "a parser")}, lambda: True)]
    texts.put(put_many, is_learning=False)

    def refuse() -> None:
        raise SearchGivenUpError

    with pytest.raises(SearchGivenUpError):
        texts.learn(refuse)
    assert found(texts, "arse") == [("a", 0)]


@pytest.mark.parametrize("name", ["hashsize", "no such option"])
def test_many_texts_are_gathered_before_they_are_written_where_fts5_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(fulltext, "_GATHERED", (name, 1 << 22))
    texts = FullText(str(tmp_path / "search.sqlite3"))
    for session_id in ("a", "b"):
        new = NewTexts(session_id, b"d", 0, {0: Text("user", "a parser")}, lambda: True)
        assert texts.put([new], is_learning=False) == []
    asked = "SELECT k, v FROM words_config WHERE k IN ('hashsize', 'no such option')"
    set_to = texts._database.read(lambda db: db.execute(asked).fetchall())
    assert set_to == ([("hashsize", 1 << 22)] if name == "hashsize" else [])
    assert [hit and hit.session_id for hit in texts.search(read_question("parser"))] == ["a", "b"]
    texts.close()
