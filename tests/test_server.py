"""The HTTP service: real sockets, and answers that typed clients can take."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvicorn

from localsessions import Session, SessionStore
from localsessions.server import create_app, serve

GUIDE_MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant"},
    {"role": "user", "content": "Hello, how are you?"},
    {"role": "assistant", "content": "I'm doing great! How can I help you?"},
]


class Answer(NamedTuple):
    status: int
    document: Any
    headers: Mapping[str, str]


class Service:
    """A service on a free port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, path: str, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=named)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        document = json.loads(body) if body else None
        return Answer(response.status, document, {k.lower(): v for k, v in response.getheaders()})

    def raw(self, request: str) -> tuple[int, bytes]:
        """Send bytes as they are; return the status and the body."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=120) as connection:
            connection.sendall(request.encode("latin-1"))
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status, response.read()


@pytest.fixture
def service(store: SessionStore) -> Iterator[Service]:
    """The service of ``store``, in a thread."""
    config = uvicorn.Config(create_app(store), lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield Service(listener.getsockname()[1])
        server.should_exit = True
        thread.join()


# What the client's generated fromJson does: a cast that throws where the type is another.


def text(document: Mapping[str, Any], key: str) -> str:
    assert type(document[key]) is str, (key, document)
    return str(document[key])


def text_or_null(document: Mapping[str, Any], key: str) -> None:
    assert document.get(key) is None or type(document[key]) is str, (key, document)


def whole(document: Mapping[str, Any], key: str) -> int:
    assert type(document[key]) is int, (key, document)
    return int(document[key])


def check_switches(switches: Any) -> None:
    for switch in switches or ():
        for key in ("from", "to", "reason", "timestamp"):
            text(switch, key)


def check_history(document: Any) -> None:
    text(document, "session_id")
    assert type(document["messages"]) is list
    for message in document["messages"]:
        text(message, "role")
        text(message, "content")
        text_or_null(message, "name")
    assert whole(document, "message_count") == len(document["messages"])
    text_or_null(document, "last_activity")
    text_or_null(document, "current_agent")
    check_switches(document["agent_history"])


def check_list(document: Any) -> None:
    assert whole(document, "total") == len(document["sessions"])
    for line in document["sessions"]:
        text(line, "session_id")
        whole(line, "message_count")
        text(line, "last_activity")
        text_or_null(line, "current_agent")


def guide_session(store: SessionStore, session_id: str = "my-session-123") -> None:
    store.create(session_id)
    store.append(session_id, *GUIDE_MESSAGES)
    with store.edit(session_id, is_activity=False) as session:
        session.agent_context = {"current_agent": "orchestrator"}
    store.switch_agent(session_id, "coder", "User requested coding task")


# the three answers


def test_the_history_has_the_shape_of_the_guide(service: Service, store: SessionStore) -> None:
    """C11: messages, count, last activity with Z, the agent and its switches; no key more."""
    guide_session(store)
    answer = service("/api/v1/sessions/my-session-123/history")
    session = store.load("my-session-123")
    switches: Any = session.agent_context["switches"]
    assert answer.status == 200
    assert answer.document == {
        "session_id": "my-session-123",
        "messages": GUIDE_MESSAGES,
        "message_count": 3,
        "last_activity": session.last_activity.isoformat("T", "milliseconds")[:23] + "Z",
        "current_agent": "coder",
        "agent_history": [
            {
                "from": "orchestrator",
                "to": "coder",
                "reason": "User requested coding task",
                "timestamp": switches[0]["timestamp"],
            }
        ],
    }
    assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z", answer.document["last_activity"])
    check_history(answer.document)


def test_the_list_has_the_shape_of_the_guide_and_the_last_active_first(
    service: Service, store: SessionStore
) -> None:
    """C12: sessions and total; D4: the last activity first."""
    assert service("/api/v1/sessions").document == {"sessions": [], "total": 0}
    for session_id in ("session-2", "session-1"):
        guide_session(store, session_id)
    answer = service("/api/v1/sessions")
    check_list(answer.document)
    assert answer.document["total"] == 2
    assert [line["session_id"] for line in answer.document["sessions"]] == [
        "session-1",
        "session-2",
    ]
    assert [list(line) for line in answer.document["sessions"]] == [
        ["session_id", "message_count", "last_activity", "current_agent"]
    ] * 2
    assert answer.document["sessions"][0]["current_agent"] == "coder"
    assert answer.document["sessions"][0]["message_count"] == 3


def test_more_sessions_than_a_page_are_all_listed(service: Service, store: SessionStore) -> None:
    """C12: the list is whole."""
    for number in range(501):
        Path(store.save_dir, f"s{number}.json").write_text("{}", encoding="utf-8")
    store.list(fresh=True)
    answer = service("/api/v1/sessions")
    assert answer.document["total"] == len(answer.document["sessions"]) == 501


def test_the_current_agent_has_the_shape_of_the_guide(
    service: Service, store: SessionStore
) -> None:
    """C13: the agent, its switches and their number."""
    guide_session(store)
    answer = service("/api/v1/agents/my-session-123/current")
    assert list(answer.document) == ["session_id", "current_agent", "agent_history", "switch_count"]
    assert (answer.document["current_agent"], answer.document["switch_count"]) == ("coder", 1)
    check_switches(answer.document["agent_history"])


def test_without_agents_the_history_says_null_and_none_and_the_agent_404(
    service: Service, store: SessionStore
) -> None:
    """C11, C13: a session that never had an agent."""
    store.create("plain")
    document = service("/api/v1/sessions/plain/history").document
    assert (document["current_agent"], document["agent_history"]) == (None, [])
    assert service("/api/v1/agents/plain/current")[:2] == (404, {"error": "Session not found"})


def test_an_unknown_session_is_404_and_asking_creates_nothing(
    service: Service, store: SessionStore
) -> None:
    """C11, C13: the two bodies of the former service."""
    history = service("/api/v1/sessions/nobody/history")
    assert history[:2] == (404, {"error": "Session nobody not found"})
    assert service("/api/v1/agents/nobody/current")[:2] == (404, {"error": "Session not found"})
    assert store.count() == 0


def test_whatever_a_file_holds_the_clients_casts_succeed(
    service: Service, store: SessionStore
) -> None:
    """C14, D14: texts are never null, numbers are whole; the file keeps what it holds."""
    parts = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "x"}}]
    image = parts[1:]
    calls = [{"id": "c", "type": "function", "function": {"name": "ls", "arguments": "{}"}}]
    contents: list[Any] = [None, parts, image, {"text": "in"}, 5, True, "\ud800", 2**70]
    messages = [{"role": "assistant", "content": content} for content in contents]
    messages += [
        {"role": "assistant", "content": None, "tool_calls": calls, "name": None},
        {"role": "tool", "content": "out", "tool_call_id": "c", "name": "ls"},
        {"role": "user", "name": 5, "tool_call_id": 5},
    ]
    switches: list[Any] = [{"from": None, "to": 5}, {"to": "x", "reason": {"a": 1}}, {}]
    context = {"current_agent": "coder", "switches": switches}
    store.save(Session(session_id="s", messages=messages, agent_context=context))
    before = Path(store.path("s")).read_bytes()

    document = service("/api/v1/sessions/s/history").document
    check_history(document)
    shown = [message["content"] for message in document["messages"]]
    assert shown == ["", "see", "", "in", "5", "true", "\ud800", str(2**70), "", "out", ""]
    assert document["messages"][8] == {"role": "assistant", "content": "", "tool_calls": calls}
    assert document["messages"][9]["tool_call_id"] == "c"
    assert document["messages"][10] == {"role": "user", "content": ""}
    check_switches(service("/api/v1/agents/s/current").document["agent_history"])
    check_list(service("/api/v1/sessions").document)
    assert Path(store.path("s")).read_bytes() == before
    assert store.load("s").messages == messages


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/sessions",
        "/api/v1/sessions/s/history",
        "/api/v1/sessions/nobody/history",
        "/api/v1/nothing",
        "/api/v1/sessions/",
        "/",
        "//evil/api/v1/sessions",
    ],
)
def test_each_answer_is_json_and_is_not_kept(
    service: Service, store: SessionStore, path: str
) -> None:
    """C14: what is not application/json, Dio does not decode."""
    store.create("s")
    answer = service(path)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert isinstance(answer.document, dict)
    assert answer.status == (200 if "error" not in answer.document else 404)


# addresses


@pytest.mark.parametrize(
    "session_id", ["a b", "чат", "会話", "a.b@c", "50%", "%2F", "a+b", "?", "#"]
)
def test_ids_are_percent_decoded_once(
    service: Service, store: SessionStore, session_id: str
) -> None:
    """C16: any id that a session can have is found by its address."""
    from urllib.parse import quote

    store.create(session_id)
    answer = service(f"/api/v1/sessions/{quote(session_id, safe='')}/history")
    assert (answer.status, answer.document["session_id"]) == (200, session_id)


@pytest.mark.parametrize(
    "address",
    [
        "..%2Fsecret",
        "%2e%2e%2fsecret",
        "..",
        "%2E%2E",
        ".",
        "%00",
        "%2Fetc%2Fpasswd",
        "a%0Ab",
        "..%5Csecret",
        "%FF",
        "%ED%A0%80",
        "x" * 300,
        "secret%00",
        "....//secret",
        "%252e%252e%252fsecret",
    ],
)
def test_ids_that_are_paths_read_nothing(
    service: Service, store: SessionStore, folder: Path, address: str
) -> None:
    """C16: no address leads out of the folder."""
    (folder.parent / "secret.json").write_text('{"messages": []}', encoding="utf-8")
    for path in (f"/api/v1/sessions/{address}/history", f"/api/v1/agents/{address}/current"):
        status, body = service.raw(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert status == 404
        assert list(json.loads(body)) == ["error"]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "10.0.2.2", "[::1]", "LOCALHOST"])
def test_this_machine_is_answered_by_each_of_its_names(service: Service, name: str) -> None:
    """C16: localhost, 127.0.0.1 and the Android emulator's 10.0.2.2, with any port or none."""
    for host in (name, f"{name}:8001", f"{name}:{service.port}"):
        assert service("/api/v1/sessions", Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil",
        "10.0.2.22",
        "",
        "evil:8001",
        "localhost:8001@evil",
        "0.0.0.0",
        "192.168.0.2:8001",
    ],
)
def test_another_host_is_refused(service: Service, host: str) -> None:
    """C16: DNS rebinding reads nothing."""
    answer = service("/api/v1/sessions", Host=host)
    assert (answer.status, list(answer.document)) == (403, ["error"])
    assert answer.headers["content-type"] == "application/json"


def test_no_host_at_all_is_refused(service: Service) -> None:
    """C16: HTTP/1.0 needs none, we do."""
    assert service.raw("GET /api/v1/sessions HTTP/1.0\r\n\r\n")[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "https://localhost:8001"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "http://localhost:8001"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_pages_of_a_browser_are_refused_and_no_cors_header_is_sent(
    service: Service, headers: dict[str, str], method: str
) -> None:
    """C16: a page that somebody visits reads no chat."""
    answer = service("/api/v1/sessions", method, Host="localhost:8001", **headers)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_its_own_origin_and_the_address_bar_are_answered(service: Service) -> None:
    """C16: what is no foreign page."""
    own = {"Host": "localhost:8001", "Origin": "http://LOCALHOST:8001"}
    assert service("/api/v1/sessions", **own, Sec_Fetch_Site="same-origin").status == 200
    assert service("/api/v1/sessions", Sec_Fetch_Site="none").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_it_is_read_only(service: Service, store: SessionStore, method: str) -> None:
    """C11-C13: every other method is 405, as JSON."""
    guide_session(store)
    for path in ("sessions", "sessions/my-session-123/history", "agents/my-session-123/current"):
        answer = service(f"/api/v1/{path}", method)
        assert (answer.status, list(answer.document)) == (405, ["error"])
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert store.count() == 1


def test_head_has_no_body(service: Service) -> None:
    answer = service("/api/v1/sessions", "HEAD")
    assert (answer.status, answer.document) == (200, None)


# what goes wrong


def test_one_broken_file_hides_no_other_and_says_what_is_wrong(
    service: Service, store: SessionStore
) -> None:
    """C17: listed, with a word that clients skip; its history is 500, never empty or 404."""
    guide_session(store)
    broken = Path(store.save_dir, "broken.json")
    broken.write_text('{"messages": [\n', encoding="utf-8")
    before = broken.read_bytes()
    store.list(fresh=True)

    listed = service("/api/v1/sessions").document
    check_list(listed)
    by_id = {line["session_id"]: line for line in listed["sessions"]}
    assert set(by_id) == {"broken", "my-session-123"}
    assert "ends in the middle" in by_id["broken"]["unreadable"]
    assert "unreadable" not in by_id["my-session-123"]
    for path in ("sessions/broken/history", "agents/broken/current"):
        answer = service(f"/api/v1/{path}")
        assert answer.status == 500
        assert answer.document["error"].startswith("Session broken cannot be read at line ")
        assert store.save_dir not in answer.document["error"]
    assert service("/api/v1/sessions/my-session-123/history").status == 200
    assert broken.read_bytes() == before


def test_a_failure_is_json_too(service: Service, store: SessionStore) -> None:
    """C14: also where the disk fails."""
    store.create("s")
    store.close()
    answer = service("/api/v1/sessions/s/history")
    assert (answer.status, list(answer.document)) == (500, ["error"])
    assert answer.headers["content-type"] == "application/json"


def test_many_ask_at_once_while_others_write(service: Service, store: SessionStore) -> None:
    """C15, C16: each answer is a whole version."""
    store.create("s")
    counts: list[list[int]] = []

    def ask() -> None:
        seen = []
        for _ in range(20):
            document = service("/api/v1/sessions/s/history").document
            check_history(document)
            seen.append(document["message_count"])
        counts.append(seen)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for number in range(40):
        store.append("s", {"role": "user", "content": str(number)})
    for thread in threads:
        thread.join()
    assert len(counts) == 6
    assert all(seen == sorted(seen) for seen in counts)


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("0.0.0.0", 0, "this machine only"),
        ("192.168.0.2", 0, "one of 127.0.0.1"),
        ("localhost", -1, "65535"),
    ],
)
def test_it_listens_on_this_machine_only(
    store: SessionStore, host: str, port: int, said: str
) -> None:
    """C16: loopback."""
    with pytest.raises(ValueError, match=said):
        serve(store, host, port)


def test_a_port_in_use_is_named(store: SessionStore, service: Service) -> None:
    with pytest.raises(OSError, match=f"port {service.port} of 127.0.0.1: is in use"):
        serve(store, port=service.port)


def test_without_its_extra_the_remedy_is_said(tmp_path: Path) -> None:
    """C19: the pip line."""
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from localsessions import SessionStore\n"
        "from localsessions.server import create_app\n"
        f"with SessionStore({str(tmp_path)!r}) as store:\n"
        "    try: create_app(store)\n"
        "    except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "the server needs uvicorn: pip install 'localsessions[server]'\n"


def test_importing_the_module_imports_no_extra() -> None:
    code = "import sys, localsessions.server; print({'starlette', 'uvicorn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.needs("curl")
def test_the_curl_lines_of_the_guide_work(service: Service, store: SessionStore) -> None:
    """C11, C12: as the guide has them, but for the port."""
    guide_session(store)
    for address, key in [
        ("sessions/my-session-123/history", "messages"),
        ("sessions", "sessions"),
        ("agents/my-session-123/current", "current_agent"),
    ]:
        command = ["curl", "-sS", f"http://localhost:{service.port}/api/v1/{address}"]
        done = subprocess.run(command, capture_output=True, check=True, timeout=120)
        assert key in json.loads(done.stdout)
