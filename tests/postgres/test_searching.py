"""A search finds on a server what it finds in a folder: the same sessions, places and order."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import needs
import pytest
from pydantic import JsonValue

from localsessions import SearchHit, Session, SessionStore

if lacking := needs.of_module("postgres"):
    pytest.skip(lacking, allow_module_level=True)

pytestmark = pytest.mark.needs("postgres")

WORDS = """
parser lexer token race condition deadlock cache retry retries retrying timeout server client
postgres database index migration schema rollback commit branch merge rebase conflict café
naïve Übung straße größe проверка ошибка сервер данные get_user SessionStore parseConfig
readFile json yaml docker compose kubernetes deploy deployment flaky test tests testing fix
fixed bug bugs login logout password token tokens auth authorize authorization Zürich São
""".split()  # noqa: SIM905
SIGNS = (
    *("数据库迁移失败", "会话存储", "検索エンジン", "データベース", "テスト"),
    *("한국어 검색", "ทดสอบ"),
)
EXACT = (
    *('"race condition"', '"merge conflict"', '"数据库"'),
    *("データ", "迁移", "库", "テスト", "검색"),
)
MORE = (
    *("race OR deadlock", "parser -flaky", "tag:red parser", "-tag:red parser", "agent:coder test"),
    *("role:assistant cache", "after:2020", "before:2020", "pars", "retr", "tests bug", "parsr"),
    *("conditoin", "getuser", "session store", "get user", "sessionstore"),
    *("ubung", "cafe", "grosse"),
    *("zz", "", "!!!", "deploi", "tokne", "authorise", "project:/work/a parser", "status:archived"),
)


def sessions() -> list[Session]:
    chance = random.Random(7)
    made = []
    for number in range(60):
        said: list[dict[str, JsonValue]] = []
        for turn in range(chance.randint(1, 12)):
            text = " ".join(chance.choices(WORDS, k=chance.randint(2, 25)))
            if chance.random() < 0.3:
                text += " " + chance.choice(SIGNS)
            role = ("user", "assistant")[turn % 2]
            message: dict[str, JsonValue] = {"role": role, "content": text}
            if chance.random() < 0.2:
                path, count = f"/src/{chance.choice(WORDS)}.py", chance.randint(0, 99)
                called: JsonValue = {"name": "Write", "arguments": {"path": path, "n": count}}
                message["tool_calls"] = [{"function": called}]
            said.append(message)
        one = Session(session_id=f"s{number:03}", messages=said)
        one.title = " ".join(chance.choices(WORDS, k=3)) if chance.random() < 0.5 else None
        one.tags = [chance.choice(("red", "green"))] if chance.random() < 0.5 else []
        one.agent_id = chance.choice(("coder", "writer", None))
        one.metadata = {"note": chance.choice(WORDS)} if chance.random() < 0.3 else {}
        one.last_activity = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        made.append(one)
    return made


def questions() -> list[str]:
    chance = random.Random(11)
    pairs = [" ".join(chance.sample(WORDS, 2)) for _ in range(60)]
    triples = [" ".join(chance.sample(WORDS, 3)) for _ in range(30)]
    beginnings = [word[:4] for word in WORDS[:20]]
    return [*dict.fromkeys([*WORDS, *SIGNS, *EXACT, *MORE, *pairs, *triples, *beginnings])]


@pytest.mark.untraced
def test_200_questions_have_the_same_answers_as_in_a_folder(
    store: SessionStore, tmp_path: Path
) -> None:
    asked = questions()
    assert len(asked) >= 200
    with SessionStore(tmp_path / "sessions") as folder:
        folder.create_many(sessions())
        store.create_many(sessions())
        for number in range(0, 60, 9):
            at = f"s{number:03}"
            for one in (folder, store):
                one.append(at, {"role": "user", "content": f"later parser {number}"})
        for question in asked:
            here = [told(hit) for hit in folder.search(question, limit=100, neighbours=1)]
            there = [told(hit) for hit in store.search(question, limit=100, neighbours=1)]
            assert sorted(here) == sorted(there), question
            assert first(folder, question) == first(store, question), question


def told(hit: SearchHit) -> tuple[str, ...]:
    beside = [one.text for one in hit.neighbours]
    where = repr((hit.position, hit.role, hit.highlights, beside))
    return hit.session.session_id, hit.snippet, where


def first(store: SessionStore, question: str) -> list[str]:
    """Return the first ten, in order."""
    return [hit.session.session_id for hit in store.search(question, limit=10)]


def test_a_word_in_very_many_messages_costs_no_ranking_and_finds_all(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localsessions._postgres.hits._MANY_HITS", 5)
    store.create_many(
        [
            Session(session_id=f"s{at:02}", messages=[{"role": "user", "content": f"wombat {at}"}])
            for at in range(23)
        ]
    )
    assert sorted(hit.session.session_id for hit in store.search("wombat", limit=100)) == [
        f"s{at:02}" for at in range(23)
    ]
    assert store.search("wombat 7")[0].session.session_id == "s07"


def test_what_is_deleted_is_not_found_and_what_is_restored_is(store: SessionStore) -> None:
    store.create("a")
    store.append("a", {"role": "user", "content": "wombat"})
    store.delete("a")
    assert not store.search("wombat")
    assert not store.search("womba")
    store.restore("a")
    assert [hit.position for hit in store.search("womba")] == [0]
