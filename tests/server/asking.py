"""What a test asks a service: over a real socket, with whatever headers it likes."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from localsessions import SessionStore
from localsessions.server import create_app, serving
from localsessions.server.about import Service

__all__ = ["Answer", "Asking", "Event", "in_this_process", "running"]


class Answer(NamedTuple):
    """A status, a body and headers."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def etag(self) -> str:
        return self.headers["etag"]

    @property
    def code(self) -> str:
        """Of a problem, what is wrong."""
        assert self.headers["content-type"] == "application/problem+json", self
        document = self.document
        assert document["status"] == self.status
        assert document["detail"]
        return str(document["code"])


class Event(NamedTuple):
    """A Server-Sent Event."""

    name: str
    id: str | None
    data: Any


class Asking:
    """Asks one service, with its token unless told otherwise."""

    def __init__(self, port: int, token: str | None, folder: Path) -> None:
        self.port, self.token, self.folder = port, token, folder

    @property
    def own(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        bare: bool = False,
    ) -> Answer:
        """Ask; ``body`` is sent as JSON unless it is bytes; ``bare`` sends no token."""
        sent = {**({} if bare else self.own), **(headers or {})}
        data = body if isinstance(body, bytes) else None
        if body is not None and data is None:
            data = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            address = path if path.startswith(("/", "http")) else f"/api/v1/{path}"
            connection.request(method, address, body=data, headers=sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, response.read(), found)
        finally:
            connection.close()

    def raw(self, request: bytes, *, wait: float = 60) -> bytes:
        """Send bytes as they are; return what comes until the service closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            connection.sendall(request)
            found = b""
            try:
                while part := connection.recv(65536):
                    found += part
            except (ConnectionResetError, TimeoutError):
                pass
            return found

    def status_of(self, request: bytes, *, wait: float = 60) -> int:
        """Return the status of the answer to bytes; 0 if there is none."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            connection.sendall(request)
            found = b""
            try:
                while b"\r\n" not in found and (part := connection.recv(65536)):
                    found += part
            except (ConnectionResetError, TimeoutError):
                pass
        status = re.match(rb"HTTP/1\.1 (\d+)", found)
        return int(status[1]) if status else 0

    def lines(self, *headers: str, path: str = "/api/v1/sessions", method: str = "GET") -> bytes:
        """Return a request with the token and these header lines, and no others."""
        own = [f"{name}: {value}" for name, value in self.own.items()]
        told = [f"{method} {path} HTTP/1.1", *headers, *own, "Connection: close"]
        return "\r\n".join([*told, "", ""]).encode("latin-1")

    @contextmanager
    def events(self, path: str = "changes", **headers: str) -> Iterator[Iterator[Event]]:
        """Listen to events."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", f"/api/v1/{path}", headers={**self.own, **named})
        response = connection.getresponse()
        assert response.status == 200, response.read()
        assert response.getheader("Content-Type") == "text/event-stream; charset=utf-8"
        try:
            yield _events(response)
        finally:
            connection.close()
            response.close()

    @staticmethod
    def id_of(session_id: str) -> str:
        return quote(session_id, safe="")


def _events(response: http.client.HTTPResponse) -> Iterator[Event]:
    told: dict[str, str] = {}
    deadline = time.monotonic() + 60
    while line := response.readline():
        assert time.monotonic() < deadline, "nothing but heartbeats came"
        text = line.decode().rstrip("\r\n")
        name, _, value = text.partition(": ")
        if not text and "data" in told:
            yield Event(told["event"], told.get("id"), json.loads(told["data"]))
        told = {**told, name: value} if name else {}


@contextmanager
def in_this_process(store: SessionStore) -> Iterator[tuple[Asking, Service]]:
    """Run a service of a store in a thread; return what asks it, and what it keeps."""
    app = create_app(store, token=(token := secrets.token_urlsafe(32)))
    server = serving._server(app, lambda: None, lambda: None)
    with serving._listening("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        port = listener.getsockname()[1]
        try:
            yield Asking(port, token, Path(store.save_dir)), app.state.service
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def running(
    folder: Path | str, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[Asking]:
    """Run a service of a folder, or of an address, in a process, on a free port."""
    command = [sys.executable, "-W", "error", "-m", "localsessions", "serve", "--dir", str(folder)]
    process = subprocess.Popen(
        [*command, "--port", "0", *arguments],
        env={**os.environ, **(env or {})},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        assert process.stderr is not None
        greeting, second = process.stderr.readline().decode(), process.stderr.readline().decode()
        found = re.search(r"at http://127\.0\.0\.1:(\d+)/api/v1", greeting)
        assert found, greeting + second
        place = re.fullmatch(r"the token is in (.+)\n", second)
        token = json.loads(Path(place[1]).read_bytes())["token"] if place else None
        yield Asking(int(found[1]), token, Path(folder))
        # Where a test has ended it, there is nothing to say.
        if process.poll() is not None and (said := process.stderr.read().decode()):
            raise AssertionError(said)
    finally:
        process.kill()
        process.communicate()
