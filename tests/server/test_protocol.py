"""What is sent to hurt: ids that are paths, bodies that are too much, requests that are none."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import pytest

from localsessions import SessionStore
from localsessions.server import connections, requests
from server.asking import Asking, in_this_process

# -- (17) ids --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "%2e%2e",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%2f.localsessions%2fserver",
        ".localsessions%2fserver",
        "%00",
        "a%00b",
        "a%2fb",
        "%5c..%5cx",
        "%ff%fe",
        "C:%5cx",
        "x" * 3000,
        "%2500",
    ],
)
def test_an_id_that_is_a_path_reads_nothing(service: Asking, path: str) -> None:
    for rest in ("", "/messages", "/history", "/export", "/checkpoints"):
        answer = service("GET", f"/api/v1/sessions/{path}{rest}")
        assert answer.status == 404, answer
        assert b"token" not in answer.body
    assert service("GET", f"/api/v1/agents/{path}/current").status == 404
    body = {"messages": [{"role": "user", "content": "x"}]}
    assert service("POST", f"/api/v1/sessions/{path}/messages", body).status == 404
    answer = service("DELETE", f"/api/v1/sessions/{path}", headers={"If-Match": "*"})
    assert answer.status == 404


def test_names_of_devices_and_twins_are_refused_or_told_apart(
    service: Asking, store: SessionStore
) -> None:
    assert service("POST", "sessions", {"session_id": "CON"}).status in (201, 422)
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert service("POST", "sessions", {"session_id": composed}).status == 201
    assert service("POST", "sessions", {"session_id": decomposed}).code == "exists"
    assert service("GET", f"sessions/{service.id_of(decomposed)}").status == 404
    assert service("GET", f"sessions/{service.id_of(composed)}").status == 200
    assert service("POST", "sessions", {"session_id": "\ud800"}).status == 422


@pytest.mark.needs("links")
def test_a_link_is_not_followed(service: Asking, store: SessionStore) -> None:
    outside = service.folder.parent / "outside.json"
    outside.write_bytes(store.raw(store.create("real").session_id))
    (service.folder / "linked.json").symlink_to(outside)
    assert service("GET", "sessions/linked").status in (404, 500)
    assert (
        service("PATCH", "sessions/linked", {"title": "x"}, headers={"If-Match": "*"}).status >= 400
    )
    assert b'"x"' not in outside.read_bytes()


# -- (18) bodies -----------------------------------------------------------------------------------


def test_a_body_that_is_too_large_is_413(service: Asking) -> None:
    assert requests.MOST_BYTES == 32 << 20
    head = service.lines(
        f"Host: 127.0.0.1:{service.port}",
        "Content-Type: application/json",
        f"Content-Length: {requests.MOST_BYTES + 1}",
        method="POST",
    )
    assert service.status_of(head) == 413
    chunked = service.lines(
        f"Host: 127.0.0.1:{service.port}",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
        method="POST",
    )
    part = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    assert service.status_of(chunked + part * 33) in (0, 413)  # it may hang up on us
    assert service("GET", "health").status == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "line 1"),
        (b"{", "line 1"),
        (b'{"title": NaN}', "line 1"),
        (b'{"title": Infinity}', "line 1"),
        (b'{"title": "a", "title": "b"}', "line 1"),
        (b'{"title": "\xff"}', "line 1"),
        (b'{"metadata": {"n": 1e999}}', "line 1"),
        (b'{"metadata": {"d": ' + b"[" * 300 + b"]" * 300 + b"}}", "line 1"),
        (b'{"metadata": {"d": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "line 1"),
        (b'{"metadata": {"n": ' + b"9" * 30_000 + b"}}", "line 1"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"unheard": 1}', "unheard"),
        (b'{"tags": ["a", 1]}', "tags[1]"),
        (b'{"messages": [{"role": "user"}, {"role": 1}]}', "messages[1].role"),
    ],
)
def test_a_body_that_is_no_such_json_is_422_with_its_place(
    service: Asking, body: bytes, said: str
) -> None:
    answer = service("POST", "sessions", body)
    assert (answer.status, said in answer.document["detail"]) == (422, True), answer.document


def test_a_deep_body_that_just_fits_is_taken_or_refused_with_its_place(service: Asking) -> None:
    for depth in range(190, 202):
        deep = b"[" * depth + b"]" * depth
        answer = service("POST", "sessions", b'{"metadata": {"d": ' + deep + b"}}")
        assert answer.status in (201, 422)
        assert answer.status == 201 or "d" in answer.document["detail"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"]
)
def test_what_a_form_of_a_page_can_send_is_no_body(service: Asking, kind: str) -> None:
    answer = service("POST", "sessions", b"{}", headers={"Content-Type": kind})
    assert answer.status == 415


def test_a_packed_body_is_not_unpacked(service: Asking) -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    headers = {"Content-Encoding": "gzip"}
    assert service("POST", "sessions", bomb, headers=headers).status == 415


def test_a_surrogate_and_a_long_number_are_kept(service: Asking, store: SessionStore) -> None:
    body = b'{"session_id": "odd", "title": "\\ud83d", "metadata": {"n": 12345678901234567890123}}'
    assert service("POST", "sessions", body).status == 201
    session = store.load("odd")
    assert (session.title, session.metadata) == ("\ud83d", {"n": 12345678901234567890123})


def test_a_slow_body_and_a_slow_head_have_an_end() -> None:
    assert requests.MOST_SECONDS == connections.HEAD_SECONDS == 30


def test_a_slow_body_is_408_and_a_slow_head_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happens at the limits above, which are nearer here."""
    monkeypatch.setattr(requests, "MOST_SECONDS", 1.0)
    monkeypatch.setattr(connections, "HEAD_SECONDS", 1.0)
    with ExitStack() as opened:
        store = opened.enter_context(SessionStore(tmp_path / "sessions"))
        service, _ = opened.enter_context(in_this_process(store))
        head = service.lines(
            f"Host: 127.0.0.1:{service.port}",
            "Content-Type: application/json",
            "Content-Length: 100",
            method="POST",
        )
        slow, silent, halfway = (
            opened.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=90))
            for _ in range(3)
        )
        slow.sendall(head + b"{")
        halfway.sendall(head[:30])
        assert slow.recv(65536).startswith(b"HTTP/1.1 408")
        assert silent.recv(10) == b""
        assert halfway.recv(10) == b""


# -- (14) messages ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_message_of_fifty_megabytes_is_told_and_the_service_goes_on(
    service: Asking, store: SessionStore
) -> None:
    """(14) What Markdown, a pattern and a reader find hardest, beside one another."""
    bombs = (">" * 20_000, "[" * 50_000, "*a " * 50_000, "`" * 50_001, "a" * 500_000 + "!")
    text = "\n".join(bombs) + "\n" + "key=" * 100_000
    store.create("bombs", messages=[{"role": "user", "content": text}])
    store.create("large", messages=[{"role": "user", "content": "x" * (50 << 20)}])
    for session_id in ("bombs", "large"):
        for path in ("messages", "history", "export?format=markdown", "export?format=jsonl"):
            answer = service("GET", f"sessions/{session_id}/{path}")
            assert answer.status == 200
            assert len(answer.body) >= len(text)
        assert len(service("GET", f"sessions/{session_id}").body) < 10_000
    assert service("GET", "search?q=key").status == 200
    assert len(service("GET", "sessions?limit=5").body) < 50_000


# -- (19) requests ---------------------------------------------------------------------------------


def test_a_request_within_a_request_is_refused(service: Asking) -> None:
    own = f"Host: 127.0.0.1:{service.port}"
    inner = b"0\r\n\r\nGET /api/v1/stats HTTP/1.1\r\nHost: evil.test\r\n\r\n"
    both = service.lines(
        own, "Content-Type: application/json", "Content-Length: 5", "Transfer-Encoding: chunked"
    )
    answer = service.raw(both + inner)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1
    for bad in ("Content-Length: 5\r\nContent-Length: 6", "Content-Length: -1", "X y: z"):
        assert service.status_of(service.lines(own, bad, method="POST")) == 400
    for bad in ("Transfer-Encoding: chunked, chunked", "Transfer-Encoding: gzip"):
        assert service.status_of(service.lines(own, bad, method="POST")) in (400, 501)


def test_a_kept_connection_is_answered_as_soon_as_a_new_one(service: Asking) -> None:
    """Not when the client has acknowledged the first part of the answer, which takes it 40 ms."""
    new, kept = [], []
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        for _ in range(21):
            began_at = time.perf_counter()
            assert service("GET", "sessions").status == 200
            between = time.perf_counter()
            connection.request("GET", "/api/v1/sessions", headers=service.own)
            assert connection.getresponse().read()
            new.append(between - began_at)
            kept.append(time.perf_counter() - between)
    assert median(kept) < 5 * median(new)


def test_huge_and_many_headers_are_refused(service: Asking) -> None:
    own = f"Host: 127.0.0.1:{service.port}"
    assert service.status_of(service.lines(own, "X: " + "x" * (1 << 20))) in (0, 400, 431)
    many = [f"X-{number}: {'x' * 100}" for number in range(5000)]
    assert service.status_of(service.lines(own, *many)) in (0, 400, 431)
    assert service("GET", "health").status == 200


def test_what_is_no_http_is_answered_400(service: Asking) -> None:
    for request in (
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\nHELLO\r\n\r\n",
    ):
        assert service.status_of(request) in (0, 400, 403)
    upgrade = service.lines(
        f"Host: 127.0.0.1:{service.port}", "Upgrade: websocket", "Connection: Upgrade"
    )
    assert service.status_of(upgrade) in (200, 400)


def test_more_connections_than_it_takes_are_closed_and_it_goes_on(service: Asking) -> None:
    """(19) The rest are closed at once; those who leave make room."""
    with ExitStack() as opened:
        closed = 0
        for _ in range(connections.MOST_CONNECTIONS + 100):
            one = socket.create_connection(("127.0.0.1", service.port), timeout=60)
            opened.enter_context(one)
        deadline = time.monotonic() + 60
        last = socket.create_connection(("127.0.0.1", service.port), timeout=60)
        opened.enter_context(last)
        try:
            last.sendall(service.lines(f"Host: 127.0.0.1:{service.port}"))
            closed += last.recv(10) == b""
        except (ConnectionResetError, BrokenPipeError):
            closed += 1
        assert closed == 1
        assert time.monotonic() < deadline
    for _ in range(100):
        try:
            assert service("GET", "health").status == 200
            break
        except OSError:
            time.sleep(0.05)
    else:
        raise AssertionError("it is not answered any more")


@pytest.mark.needs("memory limits")
def test_ten_thousand_connections_are_borne(service: Asking) -> None:
    """(19) Those that it takes are held, and a program that waits its turn is answered."""
    import resource

    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(former[1], wanted + 2_000), former[1]))
    try:
        with ExitStack() as opened:
            refused = 0
            for _ in range(wanted):
                try:
                    one = socket.create_connection(("127.0.0.1", service.port), timeout=60)
                except OSError:
                    refused += 1
                else:
                    opened.enter_context(one)
            assert refused < wanted - connections.MOST_CONNECTIONS
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, former)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            assert service("GET", "health").status == 200
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("it is not answered any more")


def test_a_reader_that_does_not_read_costs_no_other(
    service: Asking, store: SessionStore, session_id: str
) -> None:
    with ExitStack() as opened:
        for _ in range(20):
            one = socket.create_connection(("127.0.0.1", service.port), timeout=60)
            opened.enter_context(one)
            one.sendall(service.lines(f"Host: 127.0.0.1:{service.port}", path="/api/v1/changes"))
        with service.events(f"changes?session_id={session_id}") as events:
            next(events)
            store.append(session_id, {"id": "told", "role": "user", "content": "x"})
            assert next(events).data["messages"][0]["id"] == "told"


def test_an_unknown_address_and_method_are_problems(service: Asking) -> None:
    missing = service("GET", "/api/v1/nothing")
    assert (missing.status, missing.code) == (404, "not-found")
    assert service("GET", "/api/v1/sessions/").status == 404
    wrong = service("DELETE", "sessions")
    assert (wrong.status, wrong.code) == (405, "method-not-allowed")
    assert {*wrong.headers["allow"].split(", ")} == {"GET", "HEAD", "POST"}
    said = "Method not allowed: DELETE /api/v1/sessions; /api/openapi.json has what there is"
    assert json.loads(wrong.body)["detail"] == said
