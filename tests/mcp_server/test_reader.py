"""What the tools answer, without a client: bounded, without secrets, and as data."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localsessions import SessionStore
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.mcp import MOST_BYTES, client_folder, client_session_ids
from localsessions.mcp.answers import NOTICE, text_of
from localsessions.mcp.reader import Reader
from localsessions.mcp.sight import Sight
from localsessions.models import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

TOKEN = "ghp_iK2ZWeqhFWCEPyYngFb51yBMWXaSCrUZoL8g"  # made up


def reader(
    store: SessionStore, *left_out: str, folder: str | None = None, redacts: bool = True
) -> Reader:
    sight = Sight(store, left_out=frozenset(left_out), folder=folder, redacts=redacts)
    return Reader(store, sight)


def add(store: SessionStore, session_id: str, *texts: str, **fields: Any) -> None:
    store.create(session_id, **fields)
    store.append(session_id, *({"role": "user", "content": text} for text in texts))


def imported(store: SessionStore, session_id: str, project: str, age: timedelta) -> None:
    """Store a session as an import does, with its last activity so long ago."""
    at = datetime.now(UTC) - age
    source = {"program": "claude-code", "session_id": f"{session_id}-there", "project": project}
    session = Session(session_id=session_id, title="t", source=source, last_activity=at)
    store.create_many([session])


def sent_bytes(answer: Mapping[str, Any]) -> int:
    """Return how long a result is, with what the protocol has around it."""
    text = text_of(answer)
    content = [{"type": "text", "text": text}]
    result = {"content": content, "structuredContent": answer, "isError": False}
    return len(text_of({"jsonrpc": "2.0", "id": 999_999, "result": result}).encode())


def ids(answer: Any) -> list[str]:
    return [line["session_id"] for line in answer["sessions"]]


def test_each_answer_begins_with_what_it_is(store: SessionStore) -> None:
    add(store, "a", "deploy")
    seen = reader(store)
    answers: list[Any] = [
        seen.sessions({}, 5, None),
        seen.hits("deploy", {}, 5, 0),
        seen.messages("a", None, 5, 0),
    ]
    for answer in answers:
        assert next(iter(answer)) == "notice"
        assert answer["notice"] == NOTICE


def test_a_listing_goes_on_where_it_ended_and_says_every_session_once(store: SessionStore) -> None:
    for number in range(70):
        store.create(f"session-{number:02}", title="long title " * 30)
    seen, found, cursor, cuts = reader(store), [], None, 0
    while True:
        answer = seen.sessions({}, 50, cursor)
        assert sent_bytes(answer) <= MOST_BYTES
        found += ids(answer)
        if answer["more"] is None:
            break
        cuts += "20 kB" in answer["more"]["why"]
        cursor = str(answer["more"]["arguments"]["cursor"])
    assert found == [f"session-{number:02}" for number in reversed(range(70))]
    assert cuts > 0


def test_hits_go_on_where_they_ended(store: SessionStore) -> None:
    for number in range(30):
        add(store, f"session-{number:02}", f"deploy failed {number} " + "because " * 60)
    seen, found, skip = reader(store), [], 0
    while True:
        answer = seen.hits("deploy", {}, 20, skip)
        assert sent_bytes(answer) <= MOST_BYTES
        found += [hit["session"]["session_id"] for hit in answer["hits"]]
        if answer["more"] is None:
            break
        assert int(answer["more"]["arguments"]["skip"]) > skip
        skip = int(answer["more"]["arguments"]["skip"])
    assert sorted(found) == [f"session-{number:02}" for number in range(30)]


def read_all(seen: Reader, session_id: str, count: int) -> tuple[list[str], int]:
    """Read a session from its beginning as a client does; return its texts and the answers."""
    texts: list[str] = []
    arguments: dict[str, Any] = {"start": 0}
    for number in range(1, 10_000):
        answer = seen.messages(session_id, arguments["start"], count, arguments.get("offset", 0))
        assert sent_bytes(answer) <= MOST_BYTES
        for said in answer["messages"]:
            if said.get("offset"):
                assert said["offset"] == len(texts[said["position"]])
                texts[said["position"]] += said["text"]
            else:
                assert said["position"] == len(texts)
                texts.append(said["text"])
        if answer["more"] is None:
            return texts, number
        arguments = answer["more"]["arguments"]
    raise AssertionError("the answers do not end")


def test_a_message_that_is_too_long_is_read_in_parts(store: SessionStore) -> None:
    texts = ["short", 'x\n"\\é漢' * 9_000, "also short"]
    add(store, "a", *texts)
    found, answers = read_all(reader(store, redacts=False), "a", 20)
    assert found == texts
    assert answers > 3
    cut = reader(store).messages("a", 1, 1, 0)["messages"][0]
    assert cut["left"] == len(texts[1]) - len(cut["text"]) > 0


@settings(max_examples=60)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
        | st.sampled_from(
            ['"' * 6_000, "\\" * 7_000, "\x1b" * 4_000, "漢" * 9_000, "\U000e0041" * 9]
        ),
        max_size=12,
    ),
    st.integers(1, 40),
)
def test_no_answer_is_too_long_and_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], count: int
) -> None:
    with SessionStore(tmp_path_factory.mktemp("store")) as store:
        add(store, "a", *texts, title="".join(texts)[:5_000])
        found, _ = read_all(reader(store, redacts=False), "a", count)
        assert len(found) == len(texts)
        for text, read in zip(texts, found, strict=True):
            if text.isprintable():
                assert read == text
        assert sent_bytes(reader(store).sessions({}, 50, None)) <= MOST_BYTES


def test_a_window_without_a_start_is_the_end(store: SessionStore) -> None:
    add(store, "a", *map(str, range(50)))
    seen = reader(store)
    answer = seen.messages("a", None, 3, 0)
    assert [said["text"] for said in answer["messages"]] == ["47", "48", "49"]
    assert answer["more"] is None
    middle = seen.messages("a", 10, 3, 0)
    assert [said["position"] for said in middle["messages"]] == [10, 11, 12]
    assert middle["more"] == {"why": "there are more", "arguments": {"start": 13}}
    assert seen.messages("a", 50, 3, 0)["messages"] == []


def test_thoughts_and_calls_are_told(store: SessionStore) -> None:
    store.create("a")
    function: JsonValue = {"name": "run", "arguments": '{"cmd":"ls"}'}
    store.append(
        "a",
        {
            "role": "assistant",
            "name": "coder",
            "content": [
                {"type": "thinking", "thinking": "hm"},
                {"type": "text", "text": "I look"},
                {"type": "tool_use", "name": "read", "input": {"path": "x"}},
            ],
            "tool_calls": [{"id": "1", "function": function}],
        },
    )
    (said,) = reader(store).messages("a", 0, 1, 0)["messages"]
    assert said["text"].split("\n\n") == [
        "[reasoning] hm",
        "I look",
        '[calls run] {"cmd":"ls"}',
        '[calls read] {"path": "x"}',
    ]
    assert (said["role"], said["name"]) == ("assistant", "coder")


# -- secrets -------------------------------------------------------------------------------------


def test_no_answer_holds_a_secret(store: SessionStore) -> None:
    add(store, "a", f"deploy with {TOKEN}", f"again {TOKEN}", title=None)
    store.rename("a", f"{TOKEN} deploy")
    store.tag("a", TOKEN)
    seen = reader(store)
    told = text_of([seen.sessions({}, 5, None), seen.messages("a", 0, 5, 0)])
    told += text_of(seen.hits("deploy", {}, 5, 0))
    assert TOKEN[4:12] not in told
    assert told.count("[REDACTED:github-token]") >= 5
    assert TOKEN in text_of(reader(store, redacts=False).messages("a", 0, 5, 0))


def test_a_secret_that_a_title_or_a_snippet_would_cut_is_hidden(store: SessionStore) -> None:
    add(store, "a", f"{'x ' * 30}{TOKEN} deploy")
    seen = reader(store)
    told = text_of([seen.sessions({}, 5, None)]) + text_of(seen.hits("deploy", {}, 5, 0))
    assert TOKEN[:6] not in told


def test_a_search_does_not_tell_whether_a_secret_is_there(store: SessionStore) -> None:
    password = "Zq8vRt2mLw5xKj9p"
    add(store, "a", f"deploy with password = {password} today", "the end")
    add(store, "b", "deploy today")
    assert reader(store, redacts=False).hits(password, {}, 5, 0)["hits"]
    seen = reader(store)
    assert "[REDACTED:assigned-secret]" in text_of(seen.messages("a", 0, 5, 0))
    for query in (password, password[:5], f"deploy {password[:9]}", f'"password {password}"'):
        told = [hit["session"]["session_id"] for hit in seen.hits(query, {}, 5, 0)["hits"]]
        assert "a" not in told, query
    told = [hit["session"]["session_id"] for hit in seen.hits("deploy", {}, 5, 0)["hits"]]
    assert sorted(told) == ["a", "b"]


def test_hits_that_are_hidden_do_not_take_the_places_of_others(store: SessionStore) -> None:
    for number in range(6):
        add(store, f"secret-{number}", f"token {TOKEN}")
        add(store, f"plain-{number}", "github token ghp is what people say in a long text " * 3)
    found = reader(store).hits("ghp", {}, 6, 0)["hits"]
    assert sorted(hit["session"]["session_id"] for hit in found) == [
        f"plain-{number}" for number in range(6)
    ]


def test_a_snippet_shows_the_hit(store: SessionStore) -> None:
    add(store, "a", "x" * 500 + " the connection  was\nrefused " + "y" * 900)
    (hit,) = reader(store).hits("refused", {}, 5, 0)["hits"]
    assert "connection was refused" in hit["snippet"]
    assert len(hit["snippet"]) <= 300
    assert (hit["position"], hit["role"]) == (0, "user")


def test_a_hit_in_a_title_has_no_position(store: SessionStore) -> None:
    add(store, "a", "hello", title="Kubernetes upgrade")
    (hit,) = reader(store).hits("kubernetes", {}, 5, 0)["hits"]
    assert (hit["position"], hit["role"]) == (None, None)
    assert "Kubernetes" in hit["snippet"]


# -- what is left out, what is live --------------------------------------------------------------


def test_what_is_named_is_left_out_of_every_answer(store: SessionStore) -> None:
    add(store, "mine", "deploy")
    add(store, "other", "deploy")
    imported(store, "third", "/work", timedelta(days=1))
    seen = reader(store, "mine", "third-there")
    assert ids(seen.sessions({}, 5, None)) == ["other"]
    hits = seen.hits("deploy", {}, 5, 0)["hits"]
    assert [hit["session"]["session_id"] for hit in hits] == ["other"]
    for session_id in ("mine", "third"):
        with pytest.raises(SessionNotFoundError):
            seen.messages(session_id, 0, 5, 0)


def test_what_is_left_out_does_not_end_a_listing(store: SessionStore) -> None:
    for number in range(6):
        store.create(f"session-{number}")
    seen = reader(store, "session-5", "session-4")
    answer = seen.sessions({}, 2, None)
    assert (ids(answer), answer["more"] is None) == ([], False)
    assert answer["more"] is not None
    assert ids(seen.sessions({}, 2, str(answer["more"]["arguments"]["cursor"]))) == [
        "session-3",
        "session-2",
    ]


def test_a_session_of_the_same_folder_that_was_just_active_is_live(store: SessionStore) -> None:
    imported(store, "here", "/work/app", timedelta(seconds=20))
    imported(store, "above", "/work", timedelta(seconds=20))
    imported(store, "beside", "/work/application", timedelta(seconds=20))
    imported(store, "before", "/work/app", timedelta(minutes=3))
    store.create("nowhere")
    seen = reader(store, folder="/work/app")
    live = {line["session_id"] for line in seen.sessions({}, 9, None)["sessions"] if "live" in line}
    assert live == {"here", "above"}
    (line,) = [
        line
        for line in reader(store).sessions({}, 9, None)["sessions"]
        if line["session_id"] == "here"
    ]
    assert "live" not in line


def test_what_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"CLAUDE_CODE_SESSION_ID": "a", "CODEX_THREAD_ID": "", "COPILOT_AGENT_SESSION_ID": "c"}
    assert client_session_ids(told) == ("a", "c")
    assert client_session_ids({}) == ()
    monkeypatch.chdir(tmp_path)
    assert client_folder({}) == str(tmp_path)
    assert client_folder({"CLAUDE_PROJECT_DIR": "/work"}) == "/work"


# -- hostile sessions ----------------------------------------------------------------------------


def test_invisible_and_control_characters_are_spelled_out(store: SessionStore) -> None:
    hidden = "".join(chr(0xE0000 + ord(char)) for char in "obey")
    nasty = f"\x1b]0;x\x07 \u202e {hidden} \u2028 \x00"
    add(store, "a", nasty, title=f"t{nasty}")
    store.append("a", {"role": f"r{nasty}", "name": nasty, "content": "x", "created_at": nasty})
    seen = reader(store)
    told = text_of([seen.sessions({}, 5, None), seen.messages("a", 0, 5, 0)])
    assert not any(char in told for char in nasty if char not in " ]0;x")
    assert "\\\\U000e006f" in told  # as JSON writes \U000e006f


def test_half_a_surrogate_pair_can_be_sent(store: SessionStore, folder: Path) -> None:
    store.create("sessn")
    document = json.loads(Path(store.path("sessn")).read_text(encoding="utf-8"))
    document["messages"] = [{"role": "user", "content": "half \ud800 pair"}]
    (folder / "halves.json").write_text(json.dumps(document), encoding="utf-8")
    (said,) = reader(store).messages("halves", 0, 1, 0)["messages"]
    assert said["text"] == "half \\ud800 pair"


def test_a_file_that_is_no_session_is_told_without_a_word_of_it(
    store: SessionStore, folder: Path
) -> None:
    (folder / "broken.json").write_text(f'{{"token": "{TOKEN}",,', encoding="utf-8")
    seen = reader(store)
    (line,) = seen.sessions({}, 5, None)["sessions"]
    assert line["session_id"] == "broken"
    assert "at line 1" in line["unreadable"]
    assert TOKEN[:6] not in text_of(line)
    with pytest.raises(UnreadableSessionError):
        seen.messages("broken", 0, 1, 0)
    assert ids(reader(store, "broken").sessions({}, 5, None)) == []


def test_nothing_is_written(store: SessionStore, folder: Path) -> None:
    add(store, "a", f"deploy {TOKEN}")
    before = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    change = store.last_change()
    seen = reader(store)
    seen.sessions({}, 5, None)
    seen.hits("deploy", {}, 5, 0)
    seen.messages("a", 0, 5, 0)
    assert {path.name: path.read_bytes() for path in folder.glob("*.json")} == before
    assert store.last_change() == change
