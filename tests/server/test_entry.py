"""Who may enter: the attack list of the entry, against a real process over a socket."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import stat
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from localsessions import SessionStore
from localsessions.server import create_app
from localsessions.server.codes import Codes
from localsessions.server.discovery import Advert, advertised, folder_of, is_alive
from localsessions.server.routes.table import ENDPOINTS
from server.asking import Asking, in_this_process, running

OWN_NAMES = ("localhost", "127.0.0.1", "10.0.2.2", "[::1]", "LOCALHOST")
FOREIGN_HOSTS = (
    *("evil.test", "evil.test:{port}", "localhost.", "localhost.:{port}", "0.0.0.0:{port}"),
    *("127.0.0.1.evil.test", "127.0.0.1:99999", "127.0.0.1:1", "127.0.0.1", "localhost"),
    *("[::ffff:127.0.0.1]:{port}", "[::]:{port}", "127.1:{port}", "2130706433:{port}", ""),
    *("127.0.0.1:{port}@evil.test", "evil.test@127.0.0.1:{port}", "127.0.0.1:{port}, evil.test"),
    *("127.0.0.1:0{port}0", "localhost:{port}.evil.test", "127.0.0.1:{port}/", " 0.0.0.0"),
)
PATHS = (
    *("/api/v1/sessions", "/api/v1/changes", "/api/openapi.json", "/", "/favicon.ico"),
    *(
        "/api/v1/token",
        "/api/v1/nothing",
        "/static/../../etc/passwd",
        "//evil.test/api/v1/sessions",
    ),
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")


# -- (1) the Host ----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_another_host_is_refused_on_every_route(service: Asking, host: str) -> None:
    host = host.replace("{port}", str(service.port))
    for path in PATHS:
        assert service.status_of(service.lines(f"Host: {host}", path=path)) == 403, path


def test_no_host_two_hosts_and_one_told_twice_are_refused(service: Asking) -> None:
    own = f"127.0.0.1:{service.port}"
    for lines in ((), (f"Host: {own}", "Host: evil.test"), ("Host: evil.test", f"Host: {own}")):
        assert service.status_of(service.lines(*lines)) in (400, 403), lines
    assert service.status_of(service.lines(f"Host: {own}", f"Host: {own}")) in (400, 403)
    assert service.status_of(b"GET /api/v1/sessions HTTP/1.0\r\n\r\n") in (400, 403)


def test_an_absolute_address_names_no_other_host(service: Asking) -> None:
    own = f"127.0.0.1:{service.port}"
    absolute = f"http://{own}/api/v1/sessions"
    assert service.status_of(service.lines("Host: evil.test", path=absolute)) == 403
    foreign = "http://evil.test/api/v1/sessions"
    assert service.status_of(service.lines(f"Host: {own}", path=foreign)) == 404


@pytest.mark.parametrize("name", OWN_NAMES)
def test_each_of_its_own_names_is_answered_with_its_port(service: Asking, name: str) -> None:
    assert service("GET", "health", headers={"Host": f"{name}:{service.port}"}).status == 200


# -- (5) Origin and Fetch Metadata -----------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:{port}.evil.test"},
        {"Origin": "http://evil.test/http://127.0.0.1:{port}"},
        {"Origin": "http://localhost:{port}"},  # another of its names, but not the one asked
        {"Origin": "vscode-webview://1234"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "unheard-of"},
        {"Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Mode": "no-cors", "Origin": "http://127.0.0.1:{port}"},
    ],
)
def test_a_foreign_page_is_refused_even_with_the_token(
    service: Asking, headers: dict[str, str]
) -> None:
    sent = {name: value.replace("{port}", str(service.port)) for name, value in headers.items()}
    for method in METHODS:
        answer = service(method, "sessions", headers=sent)
        assert answer.status == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert service("OPTIONS", "sessions", headers={**sent, **PREFLIGHT}).status == 403


PREFLIGHT = {"Access-Control-Request-Method": "POST"}


def test_two_origins_are_refused(service: Asking) -> None:
    own = f"127.0.0.1:{service.port}"
    lines = (f"Host: {own}", f"Origin: http://{own}", f"Origin: http://{own}")
    assert service.status_of(service.lines(*lines)) == 403


def test_its_own_page_is_answered(service: Asking) -> None:
    own = f"127.0.0.1:{service.port}"
    headers = {"Origin": f"http://{own}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert service("GET", "sessions", headers=headers).status == 200


# -- (6), (7) the token ----------------------------------------------------------------------------


def test_without_the_token_nothing_is_answered(service: Asking) -> None:
    for path in (*PATHS, *("/api/v1/health", "/api/v1/count", "/api/v1/search?q=x")):
        if path == "/api/v1/token":
            continue
        for method in METHODS:
            if path == "/" and method in ("GET", "HEAD"):
                continue  # the page, which holds nothing: test_page.py
            answer = service(method, path, bare=True)
            assert answer.status == 401, (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_that_is_not_quite_it_is_refused(service: Asking) -> None:
    token = str(service.token)
    basic = base64.b64encode(f"x:{token}".encode()).decode()
    for given in (
        *("", "Bearer", "Bearer ", f"Bearer {token[:-1]}", f"Bearer {token}x", f"Bearer {token} x"),
        *(f"Bearer  {token}", f"Basic {basic}", token, f"Token {token}", "Bearer é"),
        *(f"Bearer {token.swapcase()}", f"Bearer {'x' * 60_000}", f"Bearer {token},{token}"),
    ):
        answer = service("GET", "sessions", headers={"Authorization": given}, bare=True)
        assert answer.status == 401, given[:100]
    assert service("GET", "sessions", headers={"Authorization": f"bearer {token}"}).status == 200


def test_a_token_of_a_megabyte_is_refused(service: Asking) -> None:
    huge = b"Authorization: Bearer " + b"x" * (1 << 20)
    head = f"GET /api/v1/sessions HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\n".encode()
    assert service.status_of(head + huge + b"\r\n\r\n") in (0, 400, 401, 431)
    assert service("GET", "health").status == 200


def test_a_token_elsewhere_than_in_its_header_is_none(service: Asking) -> None:
    token = service.token
    for name in ("token", "access_token", "authorization"):
        assert service("GET", f"sessions?{name}={token}", bare=True).status == 401
    cookie = {"Cookie": f"token={token}; Authorization=Bearer {token}"}
    assert service("GET", "sessions", headers=cookie, bare=True).status == 401
    told = {"X-Authorization": f"Bearer {token}", "X-Token": str(token)}
    assert service("GET", "sessions", headers=told, bare=True).status == 401


def test_two_tokens_are_refused(service: Asking) -> None:
    host, wrong = f"Host: 127.0.0.1:{service.port}", "Authorization: Bearer wrong"
    assert service.status_of(service.lines(host, wrong)) == 401


def test_tokens_are_compared_by_hashes_in_constant_time() -> None:
    import localsessions.server.entry as entry

    source = Path(entry.__file__).read_text("utf-8")
    assert "hmac.compare_digest(_hashed(said), _hashed(token))" in source
    assert not re.search(r"token\s*==|==\s*token", source)


def test_a_token_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        for token in ("", "short", "x" * 31, "é" * 40, "x" * 40 + "\n", "two words " * 4):
            with pytest.raises(ValueError, match="the token must have 32"):
                create_app(store, token=token)


# -- (8) one-time codes ----------------------------------------------------------------------------


def test_a_code_works_once_and_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("localsessions.server.codes.time.monotonic", lambda: now)
    codes = Codes()
    first, second, third = codes.make(), codes.make(), codes.make()
    assert len({first, second, third}) == 3
    assert codes.use(first)
    assert not codes.use(first)
    now = 59.0
    assert codes.use(second)
    now = 60.0
    assert not codes.use(third)
    assert not codes.use("")
    assert not codes.use("\ud800")
    many = [codes.make() for _ in range(20)]
    assert [codes.use(one) for one in many] == [False] * 4 + [True] * 16


def test_a_guessed_code_gives_no_token(service: Asking) -> None:
    for code in ("", "x" * 43, str(service.token)):
        answer = service("POST", "token", {"code": code}, bare=True)
        assert (answer.status, answer.code) == (403, "code")
    assert service("POST", "token", {"code": "x" * 201}, bare=True).status == 422
    foreign = {"Origin": "http://127.0.0.1:1"}
    assert service("POST", "token", {"code": "x"}, headers=foreign, bare=True).status == 403
    assert service("GET", "token", bare=True).status == 401


def test_a_code_is_exchanged_once_and_by_no_other_page(tmp_path: Path) -> None:
    with SessionStore(tmp_path / "s") as store, in_this_process(store) as (service, kept):
        body, own = {"code": kept.codes.make()}, {"Origin": f"http://127.0.0.1:{service.port}"}
        for refused in (
            {"Origin": "http://127.0.0.1:1"},  # a page of another port
            {"Host": "evil.test"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Mode": "no-cors"},
        ):
            answer = service("POST", "token", body, headers=refused, bare=True)
            assert (answer.status, str(service.token) in str(answer)) == (403, False)
        plain = {"Content-Type": "text/plain"}
        assert service("POST", "token", body, headers=plain, bare=True).status == 415
        given = service("POST", "token", body, headers=own, bare=True)
        assert (given.status, given.document) == (200, {"token": service.token})
        again = service("POST", "token", body, headers=own, bare=True)
        assert (again.status, again.code) == (403, "code")


# -- (9) the token is told nowhere -----------------------------------------------------------------


def test_the_token_stands_in_no_answer(service: Asking, session_id: str) -> None:
    answers = [
        service("GET", "health"),
        service("GET", "stats"),
        service("GET", "/api/openapi.json"),
        service("GET", f"sessions/{session_id}/export"),
        service("GET", "sessions?bad=1"),
        service("GET", "nothing"),
        service("GET", "sessions", bare=True),
    ]
    for answer in answers:
        assert str(service.token).encode() not in answer.body
        assert str(service.token) not in str(answer.headers)
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.needs("modes")
def test_only_its_owner_can_read_where_it_stands(service: Asking) -> None:
    advert = service.folder / ".localsessions" / "server.json"
    status = advert.lstat()
    assert stat.S_ISREG(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert stat.S_IMODE(advert.parent.stat().st_mode) == 0o700


@pytest.mark.needs("memory limits")
def test_the_token_is_in_no_command_line(service: Asking) -> None:
    pid = service("GET", "health").document["pid"]
    token = str(service.token).encode()
    assert token not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert token not in Path(f"/proc/{pid}/environ").read_bytes()


# -- (10) without a token --------------------------------------------------------------------------


def test_without_a_token_the_three_gets_are_all_there_is(tmp_path: Path) -> None:
    with SessionStore(tmp_path / "s") as store:
        store.create("a", messages=[{"role": "user", "content": "hello"}])
    with running(tmp_path / "s", "--no-token") as service:
        assert service.token is None
        assert not [*(tmp_path / "s" / ".localsessions").glob("server*.json")]
        assert service("GET", "sessions").document["total"] == 1
        assert service("GET", "sessions/a/history").document["message_count"] == 1
        for one in ENDPOINTS:
            path = one.path.replace("{session_id}", "a").replace("{checkpoint_id}", "c")
            answer = service(one.method, path.replace("{run_id}", "r")[1:])
            is_guide = one.method == "GET" and one.path in _GUIDE
            assert answer.status in ((200, 404) if is_guide else (404, 405)), one
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            assert service(method, "sessions", {}).status == 405
        for headers in (
            {"Host": "evil.test"},
            {"Host": f"0.0.0.0:{service.port}"},
            {"Host": "127.0.0.1:99999"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:1"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Mode": "no-cors"},
        ):
            answer = service("GET", "sessions", headers=headers)
            assert (answer.status, [*answer.document]) == (403, ["error"])


_GUIDE = ("/sessions", "/sessions/{session_id}/history", "/agents/{session_id}/current")


# -- (11) every route ------------------------------------------------------------------------------


def test_every_route_of_the_table_is_behind_the_guard(service: Asking) -> None:
    addresses = [("GET", "/api/openapi.json"), *((one.method, one.path) for one in ENDPOINTS)]
    for method, path in addresses:
        filled = re.sub(r"{\w+}", "x", path if path.startswith("/api") else f"/api/v1{path}")
        for each in (method, "HEAD", "OPTIONS"):
            if (each, path) != ("POST", "/token"):
                assert service(each, filled, {}, bare=True).status == 401, (each, path)
            foreign = {"Host": "evil.test"}
            assert service(each, filled, {}, headers=foreign).status == 403, (each, path)
            foreign = {"Origin": "http://evil.test"}
            assert service(each, filled, {}, headers=foreign).status == 403, (each, path)


def test_each_answer_says_that_no_page_may_hold_it(service: Asking) -> None:
    for answer in (
        service("GET", "sessions"),
        service("GET", "nothing"),
        service("GET", "sessions", bare=True),
        service("GET", "sessions", headers={"Host": "evil.test"}),
    ):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
        assert "require-trusted-types-for 'script'" in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "set-cookie" not in answer.headers


# -- --allow-origin --------------------------------------------------------------------------------


def test_a_webview_that_is_allowed_may_ask_with_the_token_only(tmp_path: Path) -> None:
    origins = ("--allow-origin", "http://localhost:5173", "--allow-origin", "vscode-webview://*")
    with running(tmp_path / "s", *origins) as service:
        for origin in ("http://localhost:5173", "vscode-webview://0a1b2c"):
            headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
            asked = {**headers, **PREFLIGHT, "Access-Control-Request-Headers": "authorization"}
            preflight = service("OPTIONS", "sessions", headers=asked, bare=True)
            assert preflight.status == 204
            assert preflight.headers["access-control-allow-origin"] == origin
            assert "Authorization" in preflight.headers["access-control-allow-headers"]
            assert "access-control-allow-credentials" not in preflight.headers
            assert service("GET", "sessions", headers=headers, bare=True).status == 401
            answer = service("GET", "sessions", headers=headers)
            assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin)
            assert service("OPTIONS", "sessions", headers=headers, bare=True).status == 401
            no_cors = {**headers, "Sec-Fetch-Mode": "no-cors"}
            assert service("GET", "sessions", headers=no_cors).status == 403
            rebound = {**headers, "Host": "evil.test"}
            assert service("GET", "sessions", headers=rebound).status == 403
        for origin in (
            "http://localhost:51730",
            "http://LOCALHOST:5173",
            "vscode-webview://",
            "null",
        ):
            refused = service("GET", "sessions", headers={"Origin": origin})
            assert refused.status == 403
            assert "access-control-allow-origin" not in refused.headers


# -- discovery -------------------------------------------------------------------------------------


def test_a_second_service_takes_a_name_of_its_own_and_a_dead_ones_is_replaced(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "s"
    private = folder / ".localsessions"
    with running(folder) as first:
        health = first("GET", "health").document
        told = json.loads((private / "server.json").read_bytes())
        assert {*told} == {"url", "token", "pid", "started_at"}
        assert told["url"] == f"http://127.0.0.1:{first.port}"
        assert (told["pid"], told["started_at"]) == (health["pid"], health["started_at"])
        with running(folder) as second:
            pid = second("GET", "health").document["pid"]
            beside = json.loads((private / f"server-{pid}.json").read_bytes())
            assert beside["token"] == second.token != first.token
            assert json.loads((private / "server.json").read_bytes()) == told
    assert (private / "server.json").exists()  # both were killed
    with running(folder) as third:
        assert json.loads((private / "server.json").read_bytes())["token"] == third.token
        assert third.token != first.token


@pytest.mark.needs("links")
def test_a_link_in_the_place_of_the_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    folder, precious = tmp_path / "s", tmp_path / "precious"
    precious.write_text("mine")
    SessionStore(folder).close()
    (folder / ".localsessions").mkdir(exist_ok=True)
    (folder / ".localsessions" / "server.json").symlink_to(precious)
    with running(folder) as service:
        advert = folder / ".localsessions" / "server.json"
        assert not advert.is_symlink()
        assert json.loads(advert.read_bytes())["token"] == service.token
    assert precious.read_text() == "mine"
    assert os.path.lexists(precious)


ADDRESS = "postgresql://me@db.example.com/work"
ADVERT = Advert("http://127.0.0.1:1", "token", 1, "2026-11-30T12:35:30.103Z")


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's runtime folder."""
    folder = tmp_path / "runtime"
    folder.mkdir(0o700)
    # Newer versions look themselves whether another user may change it.
    monkeypatch.setattr("platformdirs.user_runtime_dir", lambda name, appauthor: str(folder / name))
    return folder


@pytest.mark.needs("modes")
def test_the_file_of_an_address_stands_in_the_runtime_folder_for_the_user_alone(
    runtime: Path,
) -> None:
    with advertised(ADDRESS, ADVERT) as path:
        folder = Path(path).parent
        assert (folder.parent, Path(path).name) == (runtime / "localsessions", "server.json")
        modes = [stat.S_IMODE(one.stat().st_mode) for one in (folder.parent, folder, Path(path))]
        assert modes == [0o700, 0o700, 0o600]
        with advertised(f"{ADDRESS}?store=other", ADVERT) as other:
            assert Path(other).parent.parent == folder.parent != Path(other).parent != folder
    assert not [*runtime.rglob("*.json")]
    assert folder_of(ADDRESS) == str(folder)


@pytest.mark.needs("modes")
@pytest.mark.parametrize("which", ["", "localsessions", "localsessions/*"])
def test_a_folder_that_another_user_may_change_gets_no_token(runtime: Path, which: str) -> None:
    with advertised(ADDRESS, ADVERT):
        pass
    (folder,) = runtime.glob(which) if which else [runtime]
    folder.chmod(0o777)
    with pytest.raises(PermissionError, match="another user"), advertised(ADDRESS, ADVERT):
        pass
    assert not [*runtime.rglob("*.json")]


@pytest.mark.needs("links", "modes")
def test_a_link_in_the_place_of_the_runtime_folder_is_not_followed(
    runtime: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir(0o700)
    (runtime / "localsessions").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="another user"), advertised(ADDRESS, ADVERT):
        pass
    assert not [*(tmp_path / "elsewhere").rglob("*.json")]


def test_services_that_start_at_once_each_have_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localsessions.server.discovery.is_alive", bool)  # whoever told is there
    private = tmp_path / ".localsessions"
    private.mkdir()
    for _ in range(20):
        assert started_together(tmp_path, 8) == [*range(8)]
        assert not [*private.glob("*.json")]


def started_together(folder: Path, count: int) -> list[int]:
    """Let services begin at once; return those that a client finds while all are there."""
    together, found = threading.Barrier(count), list[int]()

    def start(number: int) -> None:
        together.wait()
        with advertised(str(folder), Advert("http://127.0.0.1:1", "t", number, "now")):
            if together.wait() == 0:
                files = (folder / ".localsessions").glob("*.json")
                found.extend(json.loads(one.read_bytes())["pid"] for one in files)
            together.wait()

    threads = [threading.Thread(target=start, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found)


def test_a_file_that_names_another_machine_is_not_asked() -> None:
    told = {"url": "", "token": "t", "pid": 1, "started_at": "now"}
    asked = list[str]()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Host"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.server_address[1]
        # To the system the first is 127.0.0.1, too.
        found = [
            is_alive({**told, "url": f"http://{name}:{port}"}) for name in ("127.1", "127.0.0.1")
        ]
        server.shutdown()
        thread.join()
    assert (found, asked) == ([False, True], [f"127.0.0.1:{port}"])


@pytest.mark.needs("signals")
def test_a_service_that_is_told_to_end_leaves_no_token(tmp_path: Path) -> None:
    with running(tmp_path / "s") as service:
        advert = service.folder / ".localsessions" / "server.json"
        os.kill(json.loads(advert.read_bytes())["pid"], signal.SIGTERM)
        deadline = time.monotonic() + 60
        while advert.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.needs("modes")
def test_in_a_folder_that_cannot_be_written_the_remedy_is_said(
    tmp_path: Path, as_other_user: Callable[[Path, Callable[[], object]], object]
) -> None:
    (tmp_path / "s").mkdir(mode=0o755)

    def act() -> str:
        try:
            with advertised(str(tmp_path / "s"), Advert("http://127.0.0.1:1", "t", 1, "now")):
                return "written"
        except OSError as error:
            return str(error)

    os.chmod(tmp_path / "s", 0o555)
    said = as_other_user(tmp_path / "s", act)
    assert "this folder cannot be written" in str(said)
    assert "--no-token" in str(said)
