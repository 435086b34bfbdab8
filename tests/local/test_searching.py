"""Searching: which sessions are found, where, in which order, and what it costs."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from inside import local

from localsessions import SearchHit, SessionStore


def say(store: SessionStore, session_id: str, *texts: str) -> None:
    if store.get(session_id) is None:
        store.create(session_id)
    store.append(session_id, *({"role": "user", "content": text} for text in texts))


def found(store: SessionStore, text: str) -> list[str]:
    return [hit.session.session_id for hit in store.search(text)]


def shown(hit: SearchHit) -> list[str]:
    return [hit.snippet[start:end] for start, end in hit.highlights]


def settle(folder: Path) -> None:
    """Wait until each file is older than the grain of the clock."""
    newest = max(path.lstat().st_ctime_ns for path in folder.glob("*.json"))
    while time.time_ns() - newest < 60_000_000:
        time.sleep(0.005)


SPOKEN = {
    "en": "The quick parser reads foo_bar.py and C++ headers, don't panic",
    "ru": "Покажи файлы проекта, Ёлка и ещё две",
    "zh": "我想要修复数据库索引的错误",
    "ja": "東京タワーで ひらがな と カタカナ を検索する ﾊﾝｶｸ ｶﾞ",
    "ko": "세션을 저장하고 검색합니다",
    "mixed": "用Python写的parser很快 и это 테스트",
    "de": "Die Straße nach Köln; café ﬁle",
}


@pytest.fixture
def spoken(store: SessionStore) -> SessionStore:
    for session_id, text in SPOKEN.items():
        say(store, session_id, text)
    return store


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # parts of words and whole ones, of any length
        ("parser", {"en", "mixed"}),
        ("arse", {"en", "mixed"}),
        ("qui", {"en"}),
        ("qu", {"en"}),
        ("ck", {"en"}),
        ("ui", set()),
        ("c", {"en"}),
        ("q", set()),
        ("PARSER", {"en", "mixed"}),
        # punctuation only divides words
        ("foo_bar.py", {"en"}),
        ("foo bar", {"en"}),
        ("bar.py", {"en"}),
        ("C++", {"en"}),
        ("don't", {"en"}),
        ('"bar py and"', {"en"}),
        # Russian
        ("файл", {"ru"}),
        ("ФАЙЛЫ", {"ru"}),
        ("оект", {"ru"}),
        ("ёлка", {"ru"}),
        ("и", {"ru", "mixed"}),
        ("две", {"ru"}),
        # Chinese, of one to four signs
        ("错", {"zh"}),
        ("索引", {"zh"}),
        ("数据库", {"zh"}),
        ("数据库索引", {"zh"}),
        ("库数", set()),
        # Japanese: kanji, hiragana, katakana, half width
        ("東", {"ja"}),
        ("東京", {"ja"}),
        ("らが", {"ja"}),
        ("ひ", {"ja"}),
        ("カタ", {"ja"}),
        ("ﾀﾜｰ", {"ja"}),
        ("ハンカク", {"ja"}),
        ("ガ", {"ja"}),
        ("ｶﾞ", {"ja"}),
        # Korean
        ("세션", {"ko"}),
        ("션", {"ko"}),
        ("검색", {"ko"}),
        ("저장하고", {"ko"}),
        # mixed in one word
        ("写的parser", {"mixed"}),
        ("Python写", {"mixed"}),
        ("테", {"mixed"}),
        # folding
        ("strasse", {"de"}),
        ("STRASSE", {"de"}),
        ("köln", {"de"}),
        ("ko\u0308ln", {"de"}),
        (unicodedata.normalize("NFD", "CAFÉ"), {"de"}),
        ("file", {"de"}),
        # all words must occur, in one message; in quotes one after the other
        ("headers parser", {"en"}),
        ("parser файл", set()),
        ('"quick parser"', {"en"}),
        ('"parser quick"', set()),
        ('"quick parser" headers', {"en"}),
        ('"quick parser', {"en"}),
        # operators of FTS5 are only words
        ("parser AND headers", {"en"}),
        ("parser OR nothing", set()),
        ("NOT parser", set()),
        ("NEAR(parser headers)", set()),
        ("parser*", {"en", "mixed"}),
        ("body:parser", set()),
        ("^parser", {"en", "mixed"}),
        ("(parser", {"en", "mixed"}),
        ("parser -headers", {"en"}),
        ("parser' OR '1'='1", set()),
        ('par"ser', set()),
    ],
)
def test_words_and_parts_of_words_are_found(
    text: str, expected: set[str], spoken: SessionStore
) -> None:
    hits = spoken.search(text)
    assert {hit.session.session_id for hit in hits} == expected
    for hit in hits:
        assert (hit.position, hit.role) == (0, "user")
        assert hit.highlights
        assert hit.snippet.strip("…") in SPOKEN[hit.session.session_id].replace("ﾊﾝｶｸ ｶﾞ", "ﾊﾝｶｸ ガ")


@pytest.mark.parametrize("text", ["", " ", "...", '""', "+++", "😀"])
def test_a_query_without_letters_is_refused(text: str, store: SessionStore) -> None:
    with pytest.raises(ValueError, match="no letter or digit"):
        store.search(text)


def test_words_must_occur_in_one_message(store: SessionStore) -> None:
    say(store, "a", "alpha here", "omega there")
    say(store, "b", "alpha and omega")
    assert found(store, "alpha omega") == ["b"]


def test_the_position_is_that_of_the_message(store: SessionStore) -> None:
    say(store, "a", "nothing", "", "more nothing", "the parser")
    store.append("a", {"role": "assistant", "content": [{"type": "text", "text": "an answer"}]})
    (hit,) = store.search("parser")
    assert (hit.position, hit.role, shown(hit)) == (3, "user", ["parser"])
    (answer,) = store.search("answer")
    assert (answer.position, answer.role) == (4, "assistant")


def test_titles_tags_and_metadata_are_found_without_a_position(store: SessionStore) -> None:
    store.create("a", title="A grand title", metadata={"deep": [{"k": "buried"}], "n": 7})
    store.tag("a", "urgent")
    for text in ("grand", "buried", "urgent", "grand buried urgent"):
        (hit,) = store.search(text)
        assert (hit.position, hit.role) == (None, None)
        assert sorted(shown(hit)) == sorted(text.split())
    assert store.search("deep") == []


def test_a_title_ranks_over_a_body_and_more_over_less(store: SessionStore) -> None:
    for number in range(8):
        say(store, f"other{number}", "something else altogether, for the sake of numbers")
    say(store, "long", "parser " + "and many other words that say nothing of it " * 20)
    say(store, "often", "parser parser parser, a parser")
    store.create("titled", title="parser of words, with a long title that says more")
    assert found(store, "parser") == ["titled", "often", "long"]
    scores = [hit.score for hit in store.search("parser")]
    assert scores == sorted(scores, reverse=True)


def test_a_session_is_shown_once_with_its_best_place(store: SessionStore) -> None:
    say(store, "a", "parser among very many other words that are of no use here", "parser")
    (hit,) = store.search("parser")
    assert hit.position == 1


def test_the_snippet_holds_the_hit_on_one_line(store: SessionStore) -> None:
    say(store, "a", "before\n" * 5000 + "the\tparser\nat last " + "after " * 5000)
    (hit,) = store.search("PARSER last")
    assert shown(hit) == ["parser", "last"]
    assert hit.snippet.startswith("…")
    assert hit.snippet.endswith("…")
    assert len(hit.snippet) < 200
    assert "\n" not in hit.snippet
    assert "\t" not in hit.snippet


def test_lone_surrogates_disturb_nothing(store: SessionStore) -> None:
    say(store, "a", "half \ud800 a parser", "\udfff")
    store.rename("a", "title \ud83d")
    (hit,) = store.search("parser")
    assert shown(hit) == ["parser"]
    assert found(store, "title") == ["a"]
    assert store.search("\ud800 parser") is not None


def test_filters_and_limit_restrict(store: SessionStore) -> None:
    for number in range(6):
        store.create(f"s{number}", title="parser", user_id=f"u{number % 2}", agent_id="x")
    store.archive("s0")
    assert len(store.search("parser")) == 6
    assert {hit.session.session_id for hit in store.search("parser", user_id="u1")} == {
        "s1",
        "s3",
        "s5",
    }
    assert len(store.search("parser", status="archived")) == 1
    assert len(store.search("parser", limit=4)) == 4
    assert len(store.search("parser", user_id="u0", limit=2)) == 2
    assert store.search("parser", agent_id="y") == []
    assert store.search("parser", since=datetime(2100, 1, 1, tzinfo=UTC)) == []
    assert store.search("parser", until=datetime(2000, 1, 1, tzinfo=UTC)) == []
    with pytest.raises(ValueError, match="aware"):
        store.search("parser", since=datetime(2025, 1, 1))  # noqa: DTZ001


def test_a_deleted_session_is_found_no_more_and_a_restored_one_again(
    store: SessionStore, folder: Path
) -> None:
    say(store, "a", "parser")
    say(store, "b", "parser")
    assert len(store.search("parser")) == 2
    store.delete("a")
    assert found(store, "parser") == ["b"]
    store.restore("a")
    assert len(store.search("parser")) == 2
    (folder / "b.json").unlink()
    assert found(store, "parser") == ["a"]


def test_an_edited_text_is_found_by_its_new_words_only(store: SessionStore, folder: Path) -> None:
    say(store, "a", "the old parser", "stays the same")
    assert found(store, "old") == ["a"]
    with store.edit("a") as session:
        session.messages[0]["content"] = "a new lexer"
    assert (found(store, "old"), found(store, "lexer"), found(store, "same")) == ([], ["a"], ["a"])

    path = folder / "a.json"
    path.write_text(path.read_text().replace("lexer", "tokenizer"))
    store.list(fresh=True)
    assert (found(store, "lexer"), found(store, "tokenizer")) == ([], ["a"])
    with store.edit("a") as session:
        del session.messages[0]
    (hit,) = store.search("same")
    assert hit.position == 0
    assert found(store, "tokenizer") == []


# -- the price -----------------------------------------------------------------------------------


def test_only_changed_files_are_read_to_catch_up(store: SessionStore) -> None:
    for number in range(20):
        say(store, f"s{number}", "parser")
    before = local(store).folder.files_read
    assert len(store.search("parser", limit=100)) == 20
    assert local(store).folder.files_read - before == 20
    assert len(store.search("parser", limit=100)) == 20
    assert local(store).folder.files_read - before == 20

    say(store, "s3", "lexer")
    store.delete("s4")
    reads = local(store).folder.files_read
    assert len(store.search("parser", limit=100)) == 19
    assert local(store).folder.files_read - reads == 1


def test_a_store_opened_again_reads_nothing_to_search(folder: Path) -> None:
    with SessionStore(folder) as store:
        for number in range(10):
            say(store, f"s{number}", "parser")
        store.search("parser")
    with SessionStore(folder) as again:
        assert len(again.search("parser")) == 10
        assert local(again).folder.files_read == 0


def test_reading_every_file_again_is_not_the_price_of_a_lost_index(
    store: SessionStore, folder: Path
) -> None:
    for number in range(10):
        say(store, f"s{number}", "parser")
    settle(folder)
    store.search("parser")
    reads = local(store).folder.files_read
    indexed = local(store).texts._database.read(lambda db: db.total_changes)
    for suffix in ("", "-wal", "-shm"):
        (folder / ".localsessions" / f"index.sqlite3{suffix}").unlink(missing_ok=True)
    assert len(store.search("parser")) == 10
    assert local(store).folder.files_read - reads == 10  # for the index; for the texts none
    assert local(store).texts._database.read(lambda db: db.total_changes) == indexed


def test_an_appended_message_indexes_only_itself(store: SessionStore) -> None:
    say(store, "a", *(f"message number {number}" for number in range(300)))
    store.search("message")
    ids = "SELECT id FROM texts"
    before = set(local(store).texts._database.read(lambda db: db.execute(ids).fetchall()))
    changes = local(store).texts._database.read(lambda db: db.total_changes)

    say(store, "a", "message at the end")
    assert found(store, "end") == ["a"]

    after = set(local(store).texts._database.read(lambda db: db.execute(ids).fetchall()))
    assert before < after
    assert len(after - before) == 1
    assert local(store).texts._database.read(lambda db: db.total_changes) - changes < 20


def test_a_save_never_waits_for_a_search_that_catches_up(store: SessionStore, folder: Path) -> None:
    say(store, "a", "parser")
    store.search("parser")
    script = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    path = folder / ".localsessions" / "search.sqlite3"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        vars(local(store).texts._database)["_heal_in"] = None  # whoever reads or writes fails
        say(store, "a", "written meanwhile")
        store.create("b")
        assert store.list(limit=1).items[0].session_id == "b"
        assert store.load("a").messages[-1]["content"] == "written meanwhile"
        del vars(local(store).texts._database)["_heal_in"]
        holder.communicate()
    assert found(store, "meanwhile") == ["a"]


def test_another_process_that_holds_the_texts_does_not_keep_a_search_waiting_for_ever(
    store: SessionStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localsessions._local.index.database._BUSY_MS", 30)
    say(store, "a", "parser")
    store.search("parser")
    local(store).texts.close()
    local(store).texts._database._closed = False
    holder = sqlite3.connect(folder / ".localsessions" / "search.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    say(store, "a", "lexer")
    assert found(store, "lexer") == ["a"]
    assert found(store, "parser") == ["a"]
    holder.close()


def test_a_search_that_was_overtaken_keeps_no_older_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SessionStore(folder) as slow, SessionStore(folder) as fast:
        say(slow, "a", "first words")
        put = local(slow).texts.put

        def be_overtaken(*arguments: object) -> bool:
            monkeypatch.undo()
            with fast.edit("a") as session:
                session.messages[0]["content"] = "second words"
            assert found(fast, "second") == ["a"]
            stored = put(*arguments)  # type: ignore[arg-type]
            assert found(fast, "second") == ["a"]
            assert found(fast, "first") == []
            return stored

        monkeypatch.setattr(local(slow).texts, "put", be_overtaken)
        assert found(slow, "words") == ["a"]
        assert found(slow, "second") == ["a"]


def test_a_file_that_could_not_be_read_for_a_moment_is_found_again(
    store: SessionStore, folder: Path
) -> None:
    say(store, "a", "parser")
    store.list(fresh=True)
    whole = (folder / "a.json").read_bytes()
    (folder / "a.json").write_bytes(whole[:-9])
    assert store.search("parser") == []
    (folder / "a.json").write_bytes(whole)
    store.list(fresh=True)
    assert found(store, "parser") == ["a"]


def test_hand_made_files_are_searched(store: SessionStore, folder: Path) -> None:
    document = {"messages": [{"role": "user", "content": "написано рукой"}]}
    (folder / "рука.json").write_text(json.dumps(document, ensure_ascii=False))
    store.list(fresh=True)
    assert found(store, "рукой") == ["рука"]
