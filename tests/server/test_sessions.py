"""Sessions over HTTP: read, listed, made, changed under a condition, deleted and brought back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from localsessions import SessionStore
from server.asking import Answer, Asking, running


def test_a_list_has_the_guides_keys_and_more(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    whole = service("GET", "sessions").document
    assert whole["total"] == len(whole["sessions"]) == store.count()
    assert whole["next_cursor"] is None
    (line,) = [one for one in whole["sessions"] if one["session_id"] == session_id]
    assert (line["message_count"], line["title"], line["preview"]) == (2, "a title", "I am here")
    assert line["current_agent"] is line["unreadable"] is line["fault"] is None
    assert line["last_activity"].endswith("Z")


def test_pages_filters_and_count_agree(service: Asking, store: SessionStore) -> None:
    for number in range(25):
        store.get_or_create(f"page{number:02}", user_id="pages", tags=["even"] * (number % 2 == 0))
    seen, cursor = [], ""
    while True:
        page = service("GET", f"sessions?user_id=pages&order=created_at&limit=10{cursor}").document
        seen += [one["session_id"] for one in page["sessions"]]
        assert page["total"] == 25
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [f"page{number:02}" for number in range(25)]
    assert service("GET", "count?user_id=pages&tag=even").document == {"count": 13}
    assert len(service("GET", "sessions?user_id=pages&tag=even").document["sessions"]) == 13
    assert service("GET", "count?user_id=pages&tag=even&tag=odd").document == {"count": 0}
    assert service("GET", "count?since=2200-01-01T00:00:00Z").document == {"count": 0}
    assert service("GET", "count?user_id=pages&archived=true").document == {"count": 0}


def test_a_list_has_the_fields_of_the_command_line(service: Asking, session_id: str) -> None:
    command = [sys.executable, "-m", "localsessions", "--dir", str(service.folder), "list"]
    told = subprocess.run([*command, "--json", "--all"], check=True, stdout=subprocess.PIPE).stdout
    (typed,) = [one for one in json.loads(told)["items"] if one["session_id"] == session_id]
    lines = service("GET", "sessions").document["sessions"]
    (line,) = [one for one in lines if one["session_id"] == session_id]
    assert {**line, **typed} == line


def test_an_unknown_parameter_is_told_those_that_there_are(service: Asking) -> None:
    answer = service("GET", "sessions/x/messages?limits=1")
    assert answer.document["detail"] == (
        "the parameter limits: unknown; there are start, limit, last, longest"
    )
    assert service("GET", "health?x=1").document["detail"] == (
        "the parameter x: unknown; there are none"
    )


@pytest.mark.parametrize(
    "query",
    [
        "unheard=1",
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=1&limit=2",
        "cursor=forged",
        "cursor=",
        "cursor=eyJhIjoxfQ",
        "order=title",
        "since=yesterday",
        "since=2026-01-01T00:00:00",
        "pinned=perhaps",
    ],
)
def test_a_wrong_parameter_is_422_and_named(service: Asking, query: str) -> None:
    answer = service("GET", f"sessions?{query}")
    assert (answer.status, answer.code) == (422, "invalid")


def test_messages_come_by_range_and_from_the_end(service: Asking, store: SessionStore) -> None:
    store.get_or_create(
        "long", messages=[{"id": f"m{n}", "role": "user", "content": str(n)} for n in range(250)]
    )

    def ids(query: str) -> tuple[int, int, list[str]]:
        found = service("GET", f"sessions/long/messages{query}").document
        return found["start"], found["total"], [one["id"] for one in found["messages"]]

    assert ids("") == (0, 250, [f"m{n}" for n in range(100)])
    assert ids("?start=240") == (240, 250, [f"m{n}" for n in range(240, 250)])
    assert ids("?start=10&limit=2") == (10, 250, ["m10", "m11"])
    assert ids("?last=2") == (248, 250, ["m248", "m249"])
    assert ids("?last=1000") == (0, 250, [f"m{n}" for n in range(250)])
    assert ids("?start=1000") == (250, 250, [])
    assert service("GET", "sessions/long/messages?start=-1").status == 422


def test_a_session_is_made_with_all_that_it_begins_with(
    service: Asking, store: SessionStore
) -> None:
    body = {
        "session_id": "made here/no",
        "title": "T",
        "user_id": "u",
        "agent_id": "g",
        "metadata": {"k": [1, None]},
        "state": {"step": 1},
        "tags": ["x", "y", "x"],
        "messages": [{"role": "user", "content": "hello", "more": {"deep": [1]}}],
        "ttl": 3600,
    }
    assert service("POST", "sessions", body).code == "invalid"  # no file has such a name
    body["session_id"] = "made here"
    answer = service("POST", "sessions", body)
    assert (answer.status, answer.headers["location"]) == (201, "/api/v1/sessions/made%20here")
    session = store.load("made here")
    assert (session.title, session.user_id, session.tags) == ("T", "u", ["x", "y"])
    assert (session.metadata, session.state) == ({"k": [1, None]}, {"step": 1})
    assert session.messages[0]["more"] == {"deep": [1]}
    read = service("GET", answer.headers["location"])
    assert (read.document, read.etag) == (answer.document, answer.etag)
    assert service("POST", "sessions", body).code == "exists"
    again = service("POST", "sessions", {**body, "title": "other", "if_exists": "return"})
    assert (again.status, again.document) == (201, answer.document)
    assert service("POST", "sessions", {}).document["session_id"].startswith("sess_")


def test_an_answer_that_grows_is_one_message(service: Asking, session_id: str) -> None:
    for text in ("I", "I am", "I am done"):
        body = {"messages": [{"id": "answer", "role": "assistant", "content": text}]}
        assert service("PUT", f"sessions/{session_id}/runs/r1", body).status == 204
    found = service("GET", f"sessions/{session_id}/messages?last=1").document
    assert found["total"] == 3
    assert (found["messages"][0]["content"], found["messages"][0]["run_id"]) == ("I am done", "r1")


def test_appended_messages_are_told_as_they_are_stored(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    body = {"messages": [{"role": "user", "content": "one"}, {"role": "user", "content": "\ud800"}]}
    answer = service("POST", f"sessions/{session_id}/messages", body)
    assert answer.status == 201
    assert answer.document["messages"] == store.load(session_id).messages[2:]
    assert service("POST", f"sessions/{session_id}/messages", {"messages": []}).status == 422
    refused = service("POST", f"sessions/{session_id}/messages", {"messages": [{"content": "x"}]})
    assert (refused.code, refused.document["place"]) == ("invalid", "messages[0].role")
    assert service("POST", "sessions/nobody/messages", body).code == "not-found"


# -- (21) conditions -------------------------------------------------------------------------------


def patch(service: Asking, session_id: str, etag: str | None, body: object) -> Answer:
    headers = {} if etag is None else {"If-Match": etag}
    return service("PATCH", f"sessions/{session_id}", body, headers=headers)


def test_an_edit_between_get_and_patch_is_412(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    etag = service("GET", f"sessions/{session_id}").etag
    path = Path(store.path(session_id))
    path.write_text(path.read_text().replace("a title", "A title"))  # an editor, of the same length
    refused = patch(service, session_id, etag, {"title": "mine"})
    assert (refused.status, refused.code) == (412, "stale")
    assert store.load(session_id).title == "A title"
    done = patch(service, session_id, refused.etag, {"title": "mine"})
    assert (done.status, done.document["title"]) == (200, "mine")
    assert done.etag == service("GET", f"sessions/{session_id}").etag != refused.etag


def test_a_change_needs_the_version_that_the_caller_has_seen(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    etag = service("GET", f"sessions/{session_id}").etag
    assert patch(service, session_id, None, {"title": "x"}).status == 428
    for wrong in (f"W/{etag}", '"other"', etag.strip('"'), ""):
        assert patch(service, session_id, wrong, {"title": "x"}).status == 412
    assert service("DELETE", f"sessions/{session_id}").status == 428
    headers = {"If-Match": '"other"'}
    assert service("DELETE", f"sessions/{session_id}", headers=headers).status == 412
    assert store.load(session_id).title == "a title"
    assert patch(service, session_id, f'"other", {etag}', {"title": "listed"}).status == 200
    assert patch(service, session_id, "*", {"title": "any"}).status == 200
    assert patch(service, "nobody", "*", {"title": "any"}).status == 404


def test_a_patch_sets_what_it_names_and_nothing_else(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    before = store.load(session_id)
    body = {"tags": ["b", "a", "b"], "pinned": True, "archived": True, "metadata": {"a": {"b": 1}}}
    assert patch(service, session_id, "*", body).status == 200
    session = store.load(session_id)
    assert (session.tags, session.pinned, session.status) == (["b", "a"], True, "archived")
    assert (session.title, session.last_activity) == ("a title", before.last_activity)
    patch(service, session_id, "*", {"metadata": {"a": {"c": 2, "b": None}, "d": 3}})
    assert store.load(session_id).metadata == {"a": {"c": 2}, "d": 3}
    patch(service, session_id, "*", {"title": None, "metadata": None, "archived": False})
    session = store.load(session_id)
    assert (session.title, session.metadata, session.status) == (None, {}, "active")
    wrong: object
    for wrong in ({"pinned": None}, {"tags": "x"}, {"session_id": "x"}, {"title": 1}, [], "x"):
        assert patch(service, session_id, "*", wrong).status == 422


def test_a_version_that_the_caller_has_is_304(service: Asking, session_id: str) -> None:
    for path in (
        f"sessions/{session_id}",
        f"sessions/{session_id}/messages",
        "sessions",
        f"sessions/{session_id}/export?format=json",
    ):
        first = service("GET", path)
        for seen in (first.etag, f"W/{first.etag}", f'"x", {first.etag}', "*"):
            again = service("GET", path, headers={"If-None-Match": seen})
            assert (again.status, again.body, again.etag) == (304, b"", first.etag)
        assert service("GET", path, headers={"If-None-Match": '"x"'}).status == 200
        head = service("HEAD", path)
        assert (head.status, head.body, head.etag) == (200, b"", first.etag)


# -- deleting, forks, checkpoints ------------------------------------------------------------------


def test_a_deleted_session_is_in_the_trash_and_comes_back(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    etag = service("GET", f"sessions/{session_id}").etag
    assert service("DELETE", f"sessions/{session_id}", headers={"If-Match": etag}).status == 204
    assert service("GET", f"sessions/{session_id}").code == "not-found"
    trash = service("GET", "trash").document["sessions"]
    assert session_id in [one["session_id"] for one in trash]
    assert service("POST", f"sessions/{session_id}/restore").etag == etag
    assert service("POST", f"sessions/{session_id}/restore").status == 404
    headers = {"If-Match": "*"}
    assert service("DELETE", "sessions/nobody", headers=headers).code == "not-found"


def test_a_broken_file_is_said_and_can_be_deleted(service: Asking, store: SessionStore) -> None:
    path = Path(store.path("broken"))
    path.write_text('{"messages": [')
    line = None
    deadline = time.monotonic() + 60
    while line is None and time.monotonic() < deadline:  # a store that is watched hears of it soon
        listed = service("GET", "sessions?unreadable=true").document["sessions"]
        line = next((one for one in listed if one["session_id"] == "broken"), None)
    assert line is not None
    assert line["unreadable"] == line["fault"]["reason"]
    answer = service("GET", "sessions/broken")
    assert (answer.status, answer.code) == (500, "unreadable")
    guide = service("GET", "sessions/broken/history")
    assert (guide.status, [*guide.document]) == (500, ["error"])
    headers = {"If-Match": "*"}
    assert service("DELETE", "sessions/broken", headers=headers).status == 204
    assert not path.exists()


def test_a_fork_ends_with_its_message(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    answer = service("POST", f"sessions/{session_id}/fork", {"at": "m0"})
    assert (answer.status, answer.document["message_count"]) == (201, 1)
    assert answer.document["parent"] == session_id
    missing = service("POST", f"sessions/{session_id}/fork", {"at": "unheard"})
    assert (missing.code, missing.document["place"]) == ("not-found", "at")
    body = {"at": 1, "session_id": session_id}
    assert service("POST", f"sessions/{session_id}/fork", body).code == "exists"
    assert service("POST", f"sessions/{session_id}/fork", {"at": -1}).status == 422


def test_checkpoints_are_saved_listed_read_and_compared(service: Asking, session_id: str) -> None:
    path = f"sessions/{session_id}/checkpoints"
    first = service("POST", path, {"data": {"a": 1, "b": [1, 2], "x/y": None}})
    second = service("POST", path, {"data": {"a": 1, "b": [1, 3, 4], "c": {}}})
    assert (first.status, second.status) == (201, 201)
    ids = service("GET", path).document["checkpoint_ids"]
    assert ids == [second.document["checkpoint_id"], first.document["checkpoint_id"]]
    assert service("GET", f"{path}/{ids[0]}").document == second.document
    found = service("GET", f"{path}/{ids[0]}/diff").document
    assert found["base"] == ids[1]
    assert [(one["op"], one["path"]) for one in found["differences"]] == [
        ("replace", "/b/1"),
        ("add", "/b/2"),
        ("remove", "/x~1y"),
        ("add", "/c"),
    ]
    assert service("GET", f"{path}/{ids[0]}/diff?base={ids[0]}").document["differences"] == []
    assert service("GET", f"{path}/{ids[1]}/diff").document["base"] is None
    assert service("GET", f"{path}/nothing").code == "not-found"
    assert service("GET", "sessions/nobody/checkpoints").code == "not-found"


# -- the whole store -------------------------------------------------------------------------------


def test_search_finds_words_with_their_places(service: Asking, store: SessionStore) -> None:
    store.get_or_create("needle", messages=[{"role": "user", "content": "a needle in the hay"}])
    (hit,) = service("GET", "search?q=needle").document["hits"]
    assert (hit["session"]["session_id"], hit["position"], hit["role"]) == ("needle", 0, "user")
    start, end = hit["highlights"][0]
    assert hit["snippet"][start:end] == "needle"
    assert service("GET", "search?q=needle&user_id=nobody").document == {"hits": []}
    assert service("GET", "search").document["place"] == "q"


@pytest.mark.parametrize(
    "text", ['"', '"a', "a OR", "-", "tag:", "%", "_", "*", "NEAR(", "\x00", "("]
)
def test_any_text_is_a_question(service: Asking, text: str) -> None:
    """(22)"""
    assert service("GET", f"search?q={service.id_of(text)}").status == 200


def test_a_question_of_a_megabyte_is_refused(service: Asking) -> None:
    """(22)"""
    host = f"Host: 127.0.0.1:{service.port}"
    request = service.lines(host, path=f"/api/v1/search?q={'x' * (1 << 20)}")
    assert service.status_of(request) in (0, 400, 414, 422, 431)
    assert service("GET", f"search?q={'x' * 10_001}").status == 422


def test_an_export_has_no_secrets_unless_it_is_asked_for_with_them(
    service: Asking, store: SessionStore
) -> None:
    """(23)"""
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    store.get_or_create("secret", messages=[{"role": "user", "content": f"use {secret}"}])
    for kind in ("markdown", "json", "jsonl"):
        told = service("GET", f"sessions/secret/export?format={kind}")
        assert (told.status, secret.encode() in told.body) == (200, False)
        assert b"[REDACTED:" in told.body
        whole = service("GET", f"sessions/secret/export?format={kind}&redact=false")
        assert secret.encode() in whole.body
        assert whole.etag != told.etag
    assert service("GET", "sessions/secret/export?format=html").status == 422


def test_what_lies_on_this_machine_is_imported_once(tmp_path: Path) -> None:
    project = tmp_path / "home" / ".claude" / "projects" / "-work"
    project.mkdir(parents=True)
    shutil.copy(TRANSCRIPTS / "claude" / "obra-tiny-conversation.jsonl", project)
    home = {name: str(tmp_path / "home") for name in ("HOME", "USERPROFILE")}
    with running(tmp_path / "s", env=home) as service:
        (place,) = service("GET", "imports").document["places"]
        assert (place["program"], place["files"], place["sessions_here"]) == ("claude-code", 1, 0)
        for imported, unchanged in ((1, 0), (0, 1)):
            answer = service("POST", "imports", {"programs": ["claude-code"]})
            assert answer.status == 202
            state = ended(service, answer.document["import_id"])
            assert (state["status"], state["error"]) == ("done", None)
            assert (state["files_done"], state["files_total"]) == (1, 1)
            (counted,) = state["totals"].values()
            assert (counted["imported"], counted["unchanged"]) == (imported, unchanged)
        assert service("GET", "imports").document["places"][0]["sessions_here"] == 1
        assert service("GET", "count").document == {"count": 1}


TRANSCRIPTS = Path(__file__).parents[2] / "examples" / "transcripts"


def ended(service: Asking, import_id: str) -> Any:
    deadline = time.monotonic() + 60
    while (state := service("GET", f"imports/{import_id}").document)["status"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return state


def test_an_import_that_cannot_be_is_refused(service: Asking) -> None:
    assert service("POST", "imports", {"programs": ["unheard"]}).document["place"] == "programs"
    assert service("GET", "imports/nothing").code == "not-found"
    assert isinstance(service("GET", "imports").document["places"], list)


# -- Idempotency-Key -------------------------------------------------------------------------------


def test_a_post_that_is_sent_again_is_done_once(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    path, body = f"sessions/{session_id}/messages", {"messages": [{"role": "user", "content": "x"}]}
    headers = {"Idempotency-Key": f"key {session_id}"}
    first = service("POST", path, body, headers=headers)
    again = service("POST", path, body, headers=headers)
    assert (first.status, again.status, again.document) == (201, 201, first.document)
    assert len(store.load(session_id).messages) == 3
    other = {"messages": [{"role": "user", "content": "y"}]}
    assert service("POST", path, other, headers=headers).code == "key-used"
    assert service("POST", f"sessions/{session_id}/fork", {}, headers=headers).code == "key-used"
    assert service("POST", path, body, headers={"Idempotency-Key": "x" * 256}).status == 422
    missing = {"Idempotency-Key": f"missing {session_id}"}
    assert (
        service("POST", f"sessions/new-{session_id}/messages", body, headers=missing).status == 404
    )
    store.create(f"new-{session_id}")
    done = service("POST", f"sessions/new-{session_id}/messages", body, headers=missing)
    assert done.status == 201  # what failed was not done


def test_of_posts_with_one_key_at_once_one_is_done(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    path, body = f"sessions/{session_id}/messages", {"messages": [{"role": "user", "content": "x"}]}
    headers, answers = {"Idempotency-Key": f"once {session_id}"}, list[Answer]()
    threads = [
        threading.Thread(
            target=lambda: answers.append(service("POST", path, body, headers=headers))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.load(session_id).messages) == 3
    assert {one.status for one in answers} <= {201, 409}
    assert len({one.body for one in answers if one.status == 201}) == 1


def test_what_is_stored_is_what_is_told(service: Asking, store: SessionStore) -> None:
    """Lone surrogates, long numbers and every other thing that JSON can carry."""
    metadata = {"long": 10**40, "text": "\ud800", "float": 1e300, "nested": [[{}], None, True]}
    store.get_or_create("wild", metadata=json.loads(json.dumps(metadata)))
    assert service("GET", "sessions/wild").document["metadata"] == metadata
    kept = service("PATCH", "sessions/wild", {"title": "t"}, headers={"If-Match": "*"})
    assert kept.document["metadata"] == metadata
