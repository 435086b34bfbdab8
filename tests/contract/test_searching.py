"""Searching: which sessions are found, where, and in which order."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from pydantic import JsonValue

from contract.acts import user
from localsessions import SearchGivenUpError, SearchHit, Session, SessionStore


def say(store: SessionStore, session_id: str, *texts: str) -> None:
    if store.get(session_id) is None:
        store.create(session_id)
    store.append(session_id, *({"role": "user", "content": text} for text in texts))


def found(store: SessionStore, text: str) -> list[str]:
    return [hit.session.session_id for hit in store.search(text)]


def shown(hit: SearchHit) -> list[str]:
    return [hit.snippet[start:end] for start, end in hit.highlights]


SPOKEN = {
    "en": "The quick parser reads foo_bar.py and C++ headers, don't panic",
    "ru": "Покажи файлы проекта, Ёлка и ещё две",
    "zh": "我想要修复数据库索引的错误",
    "ja": "東京タワーで ひらがな と カタカナ を検索する ﾊﾝｶｸ ｶﾞ",
    "ko": "세션을 저장하고 검색합니다",
    "mixed": "用Python写的parser很快 и это 테스트",
    "th": "กำลังทำงานอยู่",
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
        ("ck", set()),
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
        ("файла", {"ru"}),
        ("елка", {"ru"}),
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
        # Thai, which has no spaces
        ("งาน", {"th"}),
        ("กำ", {"th"}),
        ("นกำ", set()),
        # folding
        ("strasse", {"de"}),
        ("STRASSE", {"de"}),
        ("köln", {"de"}),
        ("ko\u0308ln", {"de"}),
        (unicodedata.normalize("NFD", "CAFÉ"), {"de"}),
        ("file", {"de"}),
        ("koln", {"de"}),
        ("cafe", {"de"}),
        # other forms, and one wrong letter of a word that nobody wrote
        ("parsers", {"en", "mixed"}),
        ("quickly", {"en"}),
        ("panick", {"en"}),
        ("heders", {"en"}),
        ("hedders", {"en"}),
        ("haeders", {"en"}),
        ("hxxders", set()),
        ("fooBar", {"en"}),
        ("foobar", {"en"}),
        # all words must occur; in quotes one after the other
        ("headers parser", {"en"}),
        ("parser файл", set()),
        ('"quick parser"', {"en"}),
        ('"parser quick"', set()),
        ('"quick parser" headers', {"en"}),
        ('"quick parser', {"en"}),
        # operators of FTS5 are only words
        ("parser AND headers", {"en"}),
        ("parser OR nothing", {"en", "mixed"}),
        ("nothing OR файлы OR parser", {"en", "mixed", "ru"}),
        ("OR", set()),
        ("OR parser", set()),
        ("parser OR", set()),
        ("NOT parser", set()),
        ("NEAR(parser headers)", set()),
        ("parser*", {"en", "mixed"}),
        ("body:parser", set()),
        ("^parser", {"en", "mixed"}),
        ("(parser", {"en", "mixed"}),
        ("parser -headers", {"mixed"}),
        ('parser -"quick parser"', {"mixed"}),
        ("-parser", {"en", "mixed"}),
        ("parser --headers", {"en"}),
        ("parser' OR '1'='1", {"en", "mixed"}),
        ("parser' AND '1'='1", set()),
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


@pytest.mark.parametrize("text", ["", " ", "...", '""', "+++", "😀", "-", "agent:", '-""'])
def test_a_query_without_letters_finds_nothing(text: str, store: SessionStore) -> None:
    say(store, "a", "agent 😀 ... +++")
    assert found(store, text) == (["a"] if text == "agent:" else [])


def test_words_of_one_message_go_before_words_of_several(store: SessionStore) -> None:
    say(store, "a", "alpha here", "omega there")
    say(store, "b", "alpha and omega")
    say(store, "c", "alpha here")
    assert found(store, "alpha omega") == ["b", "a"]
    assert found(store, '"alpha here" omegas') == ["a"]


def test_side_by_side_goes_before_anywhere_and_words_before_parts(store: SessionStore) -> None:
    say(store, "parts", "racecar preconditions")
    say(store, "anywhere", "a condition of the race")
    say(store, "together", "once upon a time there was a long story of a race condition, it said")
    assert found(store, "race condition") == ["together", "anywhere", "parts"]


def test_a_role_is_that_of_the_message_with_the_words(store: SessionStore) -> None:
    for name, role in (("a", "user"), ("b", "assistant"), ("c", "tool")):
        store.create(name)
        store.append(name, {"role": role, "content": f"alpha of {name}"})
        store.append(name, {"role": "user", "content": f"omega of {name}"})
    assert found(store, "alpha role:user") == ["a"]
    assert found(store, "alpha role:Assistant") == ["b"]
    assert found(store, "nothinghere role:user") == []
    assert found(store, "omega alpha role:user") == ["a"]
    assert found(store, "omega role:user") == ["c", "b", "a"]
    assert found(store, "role:user") == []
    assert found(store, "status:active AND omega role:assistant") == []


def test_no_phrase_goes_from_a_call_into_its_arguments(store: SessionStore) -> None:
    store.create("x")
    calls: JsonValue = [{"name": "grep", "arguments": {"pattern": "foo"}}]
    store.append("x", {"role": "assistant", "content": "look", "tool_calls": calls})
    assert found(store, '"grep foo"') == []
    assert found(store, 'look -"grep foo"') == ["x"]
    say(store, "x", "I grep foo now")
    (hit,) = store.search('"grep foo"')
    assert hit.position == 1


def test_a_word_that_nobody_has_any_more_hides_no_other(store: SessionStore) -> None:
    say(store, "a", "andoids")
    say(store, "b", "android")
    assert found(store, "andoid") == ["a"]
    store.delete("a")
    assert found(store, "andoid") == ["b"]


def test_sessions_that_have_the_words_apart_come_after_any_number_of_others(
    store: SessionStore,
) -> None:
    say(store, "old", "alpha one", "omega two")
    for number in range(120):
        say(store, f"s{number}", "alpha omega")
    assert found(store, "alpha omega")[:1] != ["old"]
    hits = store.search("alpha omega", limit=1000)
    assert (len(hits), hits[-1].session.session_id) == (121, "old")


def test_newer_goes_before_older_among_equals(store: SessionStore) -> None:
    for number in range(5):
        say(store, f"s{number}", "the very same parser")
    assert found(store, "parser") == ["s4", "s3", "s2", "s1", "s0"]


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
    assert found(store, "\ud800 parser") == ["a"]


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
    store: SessionStore, other: SessionStore
) -> None:
    say(store, "a", "parser")
    say(store, "b", "parser")
    assert len(store.search("parser")) == 2
    store.delete("a")
    assert found(store, "parser") == ["b"]
    store.restore("a")
    assert len(store.search("parser")) == 2
    other.delete("b")
    assert found(store, "parser") == ["a"]


def test_an_edited_text_is_found_by_its_new_words_only(
    store: SessionStore, other: SessionStore
) -> None:
    say(store, "a", "the old parser", "stays the same")
    assert found(store, "old") == ["a"]
    with store.edit("a") as session:
        session.messages[0]["content"] = "a new lexer"
    assert (found(store, "old"), found(store, "lexer"), found(store, "same")) == ([], ["a"], ["a"])

    with other.edit("a") as session:
        session.messages[0]["content"] = "a new tokenizer"
    assert (found(store, "lexer"), found(store, "tokenizer")) == ([], ["a"])
    with store.edit("a") as session:
        del session.messages[0]
    (hit,) = store.search("same")
    assert hit.position == 0
    assert found(store, "tokenizer") == []


def test_progress_is_told_as_done_of_all(store: SessionStore) -> None:
    told: list[tuple[int, int]] = []
    for number in range(3):
        say(store, f"s{number}", "parser")
    assert len(store.search("parser", on_progress=lambda done, of: told.append((done, of)))) == 3
    assert all(0 < done <= of for done, of in told)


def test_fields_narrow_a_question(store: SessionStore) -> None:
    store.create_many(
        Session(
            session_id=f"s{number:02}",
            agent_id=["Coder", "reviewer", None][number % 3],
            tags=["Work", "urgent"] if number % 10 == 0 else [],
            source={"program": "codex", "project": f"/src/App{number % 4}", "branch": "main"},
            messages=[user("the parser"), user("the end")],
        )
        for number in range(60)
    )
    asked = {
        "the tag:work": range(0, 60, 10),
        "the tag:WORK tag:urgent": range(0, 60, 10),
        "the agent:coder": range(0, 60, 3),
        "the cwd:app3": range(3, 60, 4),
        "the project:/src/app3 agent:reviewer": range(7, 60, 12),
        "the program:codex branch:main tag:work": range(0, 60, 10),
        "tag:work": range(0, 60, 10),
        "the tag:wor": range(0),
        "the agent:nobody": range(0),
        "the after:2999": range(0),
    }
    for question, numbers in asked.items():
        hits = store.search(question, limit=100)
        found = sorted(hit.session.session_id for hit in hits)
        assert found == [f"s{number:02}" for number in numbers], question


def test_the_messages_beside_a_hit_come_with_it_on_request(store: SessionStore) -> None:
    said = ["first", "second " * 100, "the needle", "", "fourth\nline", "fifth"]
    store.save(Session(session_id="s", title="needle", messages=[user(text) for text in said]))
    store.save(Session(session_id="t", messages=[user("needle")]))
    hits = {hit.session.session_id: hit for hit in store.search("the needle", neighbours=2)}
    around = [(one.position, one.role, one.text) for one in hits["s"].neighbours]
    assert around == [
        (0, "user", "first"),
        (1, "user", ("second " * 100)[:199] + "…"),
        (4, "user", "fourth line"),
    ]
    assert [one.position for one in store.search("the needle", neighbours=1)[0].neighbours] == [1]
    assert store.search("the needle")[0].neighbours == ()
    titled = store.search("needle", neighbours=3)
    assert {hit.neighbours for hit in titled if hit.position is None} == {()}


def test_a_neighbour_says_what_it_is_where_nothing_was_said(store: SessionStore) -> None:
    thinking = {"role": "assistant", "content": [{"type": "thinking", "thinking": "why so"}]}
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"function": {"name": "ls", "arguments": '{"path": "/tmp"}'}}],
    }
    store.save(Session(session_id="s", messages=[thinking, user("the needle"), call]))
    (hit,) = store.search("needle", neighbours=1)
    assert [one.text for one in hit.neighbours] == ["reasoning: why so", "argument of ls: /tmp"]


def test_a_search_that_is_no_longer_wanted_is_given_up(store: SessionStore) -> None:
    store.create_many(Session(session_id=f"s{n}", messages=[user("needle")]) for n in range(30))
    asked: list[bool] = []

    def is_wanted() -> bool:
        asked.append(True)
        return len(asked) < 1

    with pytest.raises(SearchGivenUpError, match="no longer wanted"):
        store.search("needle", is_wanted=is_wanted)
    assert asked
    assert len(store.search("needle", limit=30, is_wanted=lambda: True)) == 30


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": -1}, {"neighbours": -1}], ids=str)
def test_a_number_out_of_its_range_is_refused_by_name(
    wrong: dict[str, int], store: SessionStore
) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} must be"):
        store.search("needle", **wrong)  # type: ignore[arg-type]


def test_what_is_left_out_may_be_a_field_and_stand_beside_fields_alone(
    store: SessionStore,
) -> None:
    made: list[tuple[str, list[str], str, str]] = [
        ("a", ["work"], "/src/app", "the parser is flaky"),
        ("b", ["work", "draft"], "/src/app", "the parser"),
        ("c", ["!"], "/src/lib", "the parser"),
        ("d", [], "/src/app", "the lexer"),
    ]
    for name, tags, project, text in made:
        answer = {"role": "assistant", "content": "the answer"}
        session = Session(session_id=name, tags=tags, messages=[user(text), answer])
        session.source = {"project": project}
        store.save(session)
    asked = {
        "tag:work -flaky": ["b"],
        "-flaky": ["a"],  # there is nothing to leave it out of
        "parser -tag:draft": ["a", "c"],
        "parser -project:lib": ["a", "b"],
        "-tag:work": ["c", "d"],
        "-tag:work -project:app": ["c"],
        "the -role:user": ["a", "b", "c", "d"],
        "parser -role:user": [],
        "tag:!": ["c"],
        "the -tag:!": ["a", "b", "d"],
    }
    for question, expected in asked.items():
        found = sorted(hit.session.session_id for hit in store.search(question))
        assert found == expected, question


def test_what_is_written_together_is_found_however_it_is_written(store: SessionStore) -> None:
    texts = ["use utf-8", "use utf8", "getUserName()", "get_user_name()", "another"]
    for number, text in enumerate(texts):
        store.save(Session(session_id=f"s{number}", messages=[user(text)]))
    asked = {
        "utf8": ["s0", "s1"],
        "utf-8": ["s0", "s1"],
        "get_user_name": ["s2", "s3"],
        "getUserName": ["s2", "s3"],
        "get-user-name": ["s2", "s3"],
        '"get_user_name"': ["s3"],
    }
    for question, expected in asked.items():
        found = sorted(hit.session.session_id for hit in store.search(question))
        assert found == expected, question


def test_an_agent_that_took_over_is_found_as_the_one_that_began(store: SessionStore) -> None:
    store.save(Session(session_id="s", agent_id="first", messages=[user("the parser")]))
    store.save(Session(session_id="t", agent_id="third", messages=[user("the parser")]))
    store.switch_agent("s", "second", reason="because")
    for question in ("agent:first", "agent:second", "agent:second agent:first", "-agent:third"):
        for text in (question, f"parser {question}"):
            assert [hit.session.session_id for hit in store.search(text)] == ["s"], text
    assert store.search("parser agent:third agent:second") == []


def test_any_number_of_neighbours_may_be_asked_for(store: SessionStore) -> None:
    store.save(Session(session_id="s", messages=[user("one"), user("needle")]))
    (hit,) = store.search("needle", neighbours=10**30)
    assert [one.position for one in hit.neighbours] == [0]
