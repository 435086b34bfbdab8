"""``serve`` and the adapter's ``serve``: real processes, asked over real sockets."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from killing import INTERRUPTIBLE, interrupt

from localsessions.adapters.codelab import AgentContextManager, Database, SessionManager

from .conftest import interruptible, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cli


class Serving:
    """A process that serves, once it said so."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        self.process = process
        self.greeting = text_of(process.stderr.readline())
        found = re.search(
            r"at http://(?:127\.0\.0\.1|localhost|\[::1\]):(\d+)/api/v1", self.greeting
        )
        assert found is not None, self.greeting
        self.port = int(found[1])

    def get(self, path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("localhost", self.port, timeout=120)
        connection.request("GET", f"/api/v1/{path}")
        response = connection.getresponse()
        assert response.getheader("Content-Type") == "application/json"
        answer = response.status, json.loads(response.read())
        connection.close()
        return answer

    def end(self, how: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
        if how is signal.SIGINT:
            interrupt(self.process)
        else:
            self.process.send_signal(how)
        shown, noted = map(text_of, self.process.communicate(timeout=120))
        return self.process.returncode, shown, noted


@contextmanager
def serving(folder: Path | str, *arguments: str, port: int = 0) -> Iterator[Serving]:
    process = subprocess.Popen(
        interruptible("serve", "--dir", str(folder), "--port", str(port), "--no-token", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Serving(process)
    finally:
        process.kill()
        process.communicate()


def test_it_says_where_and_ends_cleanly_with_ctrl_c(cli: Cli) -> None:
    """C19: two lines at the beginning, one at the end, no traceback, nothing on standard output."""
    cli.add("s", "hello")
    with serving(cli.folder) as service:
        assert service.greeting.startswith(f"serving {cli.folder} at http://127.0.0.1:")
        assert service.greeting.endswith("/api/v1; Ctrl-C ends\n")
        assert service.get("sessions")[1]["total"] == 1
        assert service.process.stderr is not None
        warning = text_of(service.process.stderr.readline())
        assert warning == "without a token: every program of this machine can read the sessions\n"
        assert service.end() == (0, "", "stopped\n")


def test_a_token_is_there_unless_it_is_refused_and_is_told_nowhere(cli: Cli) -> None:
    cli.add("s", "hello")
    process = subprocess.Popen(
        interruptible("serve", "--dir", str(cli.folder), "--port", "0"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        service = Serving(process)
        assert process.stderr is not None
        advert = cli.folder / ".localsessions" / "server.json"
        assert text_of(process.stderr.readline()) == f"the token is in {advert}\n"
        told = json.loads(advert.read_bytes())
        assert len(told["token"]) == 43
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
        connection.request("GET", "/api/v1/sessions")
        refused = connection.getresponse()
        assert (refused.status, told["token"].encode() in refused.read()) == (401, False)
        connection.request(
            "GET", "/api/v1/sessions", headers={"Authorization": f"Bearer {told['token']}"}
        )
        assert json.loads(connection.getresponse().read())["total"] == 1
        connection.close()
        assert service.end() == (0, "", "stopped\n")
        assert not advert.exists()
    finally:
        process.kill()
        process.communicate()


def test_an_origin_that_any_page_may_have_is_refused(cli: Cli) -> None:
    for origin in ("null", "*", "http://*", "https://evil.example/path", "file://*"):
        done = cli("serve", "--port", "0", "--allow-origin", origin)
        assert (done.exit_code, "is no origin" in done.stderr) == (2, True)
    done = cli("serve", "--no-token", "--allow-origin", "http://localhost:5173")
    assert (done.exit_code, "needs the token" in done.stderr) == (2, True)


def test_ctrl_c_waits_for_no_client_that_keeps_its_connection(cli: Cli) -> None:
    """C19: a browser or Dio keeps connections alive."""
    cli.add("s", "hello")
    with serving(cli.folder) as service:
        connection = http.client.HTTPConnection("127.0.0.1", service.port)
        connection.request("GET", "/api/v1/sessions")
        assert connection.getresponse().read()
        assert service.end()[0] == 0
        connection.close()


@pytest.mark.needs("signals")
def test_sigterm_ends_it_as_any_program(cli: Cli) -> None:
    cli.add("s")
    with serving(cli.folder) as service:
        assert service.end(signal.SIGTERM)[0] == -signal.SIGTERM


def test_a_port_in_use_is_one_line_and_6(cli: Cli) -> None:
    """C19: what to do is said."""
    cli.add("s")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = cli.process("serve", "--port", str(port))
    assert done.returncode == 6
    assert done.stderr.decode() == (
        f"error: port {port} of 127.0.0.1: is in use by another program; choose another port\n"
    )


def test_the_port_is_8001_unless_told(cli: Cli) -> None:
    """C16, C19: the defaults of the guide; only this machine's addresses are taken."""
    shown = cli("serve", "--help").stdout
    assert "default: 8001" in shown
    assert "127.0.0.1|localhost|::1" in shown
    assert cli("serve", "--host", "0.0.0.0").exit_code == 2
    assert cli("serve", "--port", "65536").exit_code == 2


def test_without_the_extra_it_says_what_to_install(cli: Cli) -> None:
    """C19: one line and 6."""
    code = "import sys; sys.modules['starlette'] = None; from localsessions.__main__ import main\n"
    command = [sys.executable, "-c", f"{code}sys.exit(main())", "serve"]
    done = subprocess.run(command, env={**os.environ, **cli.env}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        6,
        "error: the server needs starlette: pip install 'localsessions[server]'\n",
    )


def test_the_adapter_serves_its_database(tmp_path: Path) -> None:
    """C19: serve(db, host, port), ended by Ctrl-C without a traceback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = (
        "import logging, sys\n"
        "from localsessions.adapters.codelab import Database, SessionManager, serve\n"
        "logging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        f"with Database({f'sqlite:///{tmp_path}/x.db'!r}) as db:\n"
        "    SessionManager(db).create('s', 'You help')\n"
        "    logging.disable(logging.NOTSET)\n"
        "    print('go', flush=True)\n"
        f"    serve(db, '127.0.0.1', {port})\n"
        "print('done')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", INTERRUPTIBLE + code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if b"serving " in line:
                break
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("GET", "/api/v1/sessions/s/history")
        assert json.loads(connection.getresponse().read())["message_count"] == 1
        connection.close()
        interrupt(process)
        shown, noted = map(text_of, process.communicate(timeout=120))
        assert (process.returncode, shown) == (0, "go\ndone\n")
        assert "Traceback" not in noted
    finally:
        process.kill()
        process.communicate()


class Client:
    """The guide's SessionService: what its Dart code does, casts included."""

    def __init__(self, preferences: dict[str, str], service: Serving) -> None:
        self.preferences = preferences
        self.service = service
        self.session_id = ""

    def initialize(self, new_id: str) -> None:
        stored = self.preferences.get("current_session_id")
        if stored is not None and self.restore(stored):
            self.session_id = stored
        else:
            self.session_id = self.preferences["current_session_id"] = new_id

    def restore(self, session_id: str) -> bool:
        status, history = self.service.get(f"sessions/{session_id}/history")
        if status != 200:
            return False
        try:
            self.from_json(history)
        except TypeError:  # `catch (e)` in restoreSession: the chat is lost
            return False
        return True

    def from_json(self, history: dict[str, Any]) -> list[tuple[str, str]]:
        def cast(value: object, kind: type) -> Any:
            if type(value) is not kind:
                raise TypeError(f"type {type(value)} is not a subtype of {kind}")
            return value

        cast(history["session_id"], str)
        cast(history["message_count"], int)
        for switch in history["agent_history"] or ():
            for key in ("from", "to", "reason", "timestamp"):
                cast(switch[key], str)
        return [
            (cast(message["role"], str), cast(message["content"], str))
            for message in cast(history["messages"], list)
        ]

    def visible(self) -> list[tuple[str, str]]:
        history = self.service.get(f"sessions/{self.session_id}/history")[1]
        return [pair for pair in self.from_json(history) if pair[0] in ("user", "assistant")]


def test_the_flow_of_the_guides_flutter_service(tmp_path: Path) -> None:
    """C15, C14: 404, first message, IDE and service restarted, restored, followed, reset."""
    path = tmp_path / "data" / "agent_runtime.db"
    preferences: dict[str, str] = {}
    with Database(f"sqlite:///{path}") as db:
        sessions, contexts = SessionManager(db), AgentContextManager(db)
        with serving(db.store.save_dir) as service:
            client = Client(preferences, service)
            client.initialize("session_1735634700000")
            assert service.get("sessions/session_1735634700000/history")[0] == 404
            assert service.get("sessions") == (200, {"sessions": [], "total": 0})
            # The first message of the chat makes the session, in another process than the service.
            state = sessions.get_or_create(client.session_id, "You help")
            sessions.append_message(client.session_id, "user", "Hello")
            state.messages.append(
                {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}
            )
            sessions.append_tool_result(client.session_id, "c", "ls", "a.txt")
            contexts.get_or_create(client.session_id).switch_agent("coder", "asked")
            assert client.visible() == [("user", "Hello"), ("assistant", "")]
            service.end()
        with serving(db.store.save_dir, port=service.port) as again:
            client = Client(preferences, again)
            client.initialize("session_2")
            assert client.session_id == "session_1735634700000"
            assert client.visible() == [("user", "Hello"), ("assistant", "")]
            sessions.append_message(client.session_id, "assistant", "Two files.")
            assert client.visible()[-1] == ("assistant", "Two files.")
            listed = again.get("sessions")[1]
            assert listed["total"] == 1
            assert listed["sessions"][0]["current_agent"] == "coder"
            assert again.get(f"agents/{client.session_id}/current")[1]["switch_count"] == 1
            sessions.delete(client.session_id)
            assert again.get(f"sessions/{client.session_id}/history")[0] == 404


@pytest.mark.needs("curl")
def test_the_guides_curl_lines_reach_it(cli: Cli) -> None:
    """C11-C13, C16: by localhost, which curl tries as ::1 first, and as an emulator names it."""
    cli.add("my-session-123", "hello")
    with serving(cli.folder) as service:
        url = f"http://localhost:{service.port}/api/v1/sessions/my-session-123/history"
        for extra in ([], ["-H", f"Host: 10.0.2.2:{service.port}"]):
            command = ["curl", "-sS", "--fail", *extra, url]
            done = subprocess.run(command, capture_output=True, check=True, timeout=120)
            assert json.loads(done.stdout)["messages"] == [{"role": "user", "content": "hello"}]
