"""The page: its files are open to the own Host only, under a policy that lets in nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import ClassVar

import pytest

from localsessions import SessionStore
from localsessions.server import create_app
from localsessions.server.discovery import page_of_running
from server.asking import Asking, in_this_process, running

TESTS = Path(__file__).parents[1]
TOLD = re.compile(r"^\| [^|]*\| [^|]+ \| `([^`:]+)::(test_\w+)` \|$", re.MULTILINE)
FILES = ("/", "/page.js", "/page.css", "/licences.txt")
LARGEST_BYTES = 90_000


@pytest.mark.parametrize("path", FILES)
def test_a_file_of_the_page_is_answered_without_the_token(service: Asking, path: str) -> None:
    answer = service("GET", path, bare=True)
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    for part in ("frame-ancestors 'none'", "require-trusted-types-for 'script'", "img-src data:"):
        assert part in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert service("HEAD", path, bare=True).body == b""


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("host", ["evil.test", "0.0.0.0", "127.0.0.1.evil.test", "127.0.0.1:1"])
def test_another_host_gets_no_file_of_the_page(service: Asking, path: str, host: str) -> None:
    assert service("GET", path, headers={"Host": host}, bare=True).status == 403


@pytest.mark.parametrize(
    "path", ["/index.html", "/page.js/", "/../page.js", "/page", "//", "/page.js%00", "/bundle.py"]
)
def test_nothing_beside_the_files_is_there(service: Asking, path: str) -> None:
    assert service("GET", path, bare=True).status == 401
    assert service("GET", path).status == 404


def test_the_page_holds_no_address_of_elsewhere_and_no_token(service: Asking) -> None:
    index = service("GET", "/", bare=True).body.decode()
    assert "dompurify\n" in service("GET", "/licences.txt", bare=True).body.decode()
    assert not re.search(r"https?://|<style|<script>|\son\w+=", index)
    whole = b"".join(service("GET", path, bare=True).body for path in FILES)
    assert str(service.token).encode() not in whole
    assert b"sourceMappingURL" not in whole


def test_a_store_without_a_token_has_no_page(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store, pytest.raises(ValueError, match="needs the token"):
        create_app(store, page=True)


def test_an_app_without_a_page_has_none(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        paths = {route.path for route in create_app(store, token="t" * 32).routes}  # type: ignore[attr-defined]
    assert "/" not in paths


def test_the_page_is_no_larger_than_promised() -> None:
    import gzip

    folder = resources.files("localsessions.server") / "page"
    sizes = {one.name: len(gzip.compress(one.read_bytes(), 9)) for one in folder.iterdir()}
    assert set(sizes) == {"index.html", "page.js", "page.css", "licences.txt"}
    assert sum(sizes.values()) - sizes["licences.txt"] <= LARGEST_BYTES, sizes


def test_serve_open_says_where_the_page_is_where_no_browser_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "localsessions", "serve", "--dir", str(tmp_path / "s")]
    environment = {**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": "true"}
    process = subprocess.Popen(
        [*command, "--port", "0", "--open"], stderr=subprocess.PIPE, env=environment
    )
    try:
        assert process.stderr is not None
        told = [process.stderr.readline().decode() for _ in range(3)]
        found = re.search(r"http://127\.0\.0\.1:(\d+)/#code=([\w-]{40,})$", told[2])
        assert found, told
        asking = Asking(int(found[1]), None, tmp_path)
        first = asking("POST", "token", {"code": found[2]})
        again = asking("POST", "token", {"code": found[2]})
    finally:
        process.kill()
        process.communicate()
    path = told[1].removeprefix("the token is in ").rstrip("\n")
    assert first.document == {"token": json.loads(Path(path).read_bytes())["token"]}
    assert (again.status, again.code) == (403, "code")
    assert first.document["token"] not in "".join(told)


def open_again(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "localsessions", "serve", "--dir", str(folder), "--open"]
    environment = {**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": ""}
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, timeout=60
    )


def test_serve_open_opens_the_page_of_a_service_that_runs_already(tmp_path: Path) -> None:
    with running(tmp_path / "s") as service:
        done = open_again(tmp_path / "s")
        assert done.returncode == 0, done.stderr
        found = re.search(r"http://127\.0\.0\.1:(\d+)/#code=([\w-]{40,})$", done.stderr.strip())
        assert found, done.stderr
        assert int(found[1]) == service.port
        assert service("POST", "token", {"code": found[2]}).document == {"token": service.token}
        assert str(service.token) not in done.stderr


@pytest.mark.parametrize(
    "told",
    [
        {"url": "http://evil.test:80"},
        {"url": "http://127.0.0.1@evil.test:80"},
        {"pid": 1},
        {"token": "another" * 8},
        {"url": None},
    ],
    ids=str,
)
def test_a_file_that_leads_elsewhere_opens_nothing(tmp_path: Path, told: dict[str, object]) -> None:
    with running(tmp_path / "s"):
        advert = tmp_path / "s" / ".localsessions" / "server.json"
        assert page_of_running(str(tmp_path / "s")) is not None
        advert.write_text(json.dumps({**json.loads(advert.read_bytes()), **told}))
        assert page_of_running(str(tmp_path / "s")) is None


class Posing(BaseHTTPRequestHandler):
    """Answers as the service that a file names."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"pid": 1, "started_at": "now", "code": "x" * 43}).encode())

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        return


@pytest.mark.parametrize(("host", "is_asked"), [("127.0.0.1", True), ("0.0.0.0", False)])
def test_nobody_but_this_machine_is_asked_for_a_page(
    tmp_path: Path, host: str, is_asked: bool
) -> None:
    advert = tmp_path / ".localsessions" / "server.json"
    advert.parent.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), Posing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://{host}:{server.server_address[1]}"
        advert.write_text(json.dumps({"url": url, "token": "t", "pid": 1, "started_at": "now"}))
        Posing.asked.clear()
        page = page_of_running(str(tmp_path))
        server.shutdown()
        thread.join()
    assert page == (f"{url}/#code={'x' * 43}" if is_asked else None)
    assert bool(Posing.asked) == is_asked


def test_a_service_without_a_page_makes_no_code(store: SessionStore) -> None:
    with in_this_process(store) as (asking, _):
        answer = asking("POST", "codes")
    assert (answer.status, answer.code) == (404, "no-page")


def test_the_page_needs_the_token_of_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "localsessions", "serve", "--dir", str(tmp_path)]
    done = subprocess.run(
        [*command, "--no-token", "--open"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "the page needs the token" in done.stderr


def test_each_line_of_what_the_page_does_has_its_test() -> None:
    text = (TESTS.parent / "docs" / "page.md").read_text("utf-8")
    rows = TOLD.findall(text)
    assert len(rows) == sum(line.startswith("| ") for line in text.splitlines()) - 2
    for file, name in rows:
        source = (TESTS / file).read_text("utf-8")
        assert re.search(rf"^def {name}\(", source, re.MULTILINE), (file, name)
