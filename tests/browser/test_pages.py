"""Pages that attack the service from a browser, and one that may ask."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from server.asking import Asking, running

from localsessions import SessionStore

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.needs("browser")

HOSTILE = "<script>window.hit = 1</script><img src=http://outside.test/x onerror='window.hit = 1'>"


class Attacker(BaseHTTPRequestHandler):
    """A page on another port of this machine."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>attacker</title>")

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture(scope="module")
def other_port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Attacker)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def browser(chrome: Browser) -> Browser:
    return chrome


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, other_port: int) -> Iterator[Asking]:
    folder = tmp_path_factory.mktemp("browser") / "sessions"
    with SessionStore(folder) as store:
        store.create(
            "hostile",
            title=HOSTILE,
            messages=[{"role": "user", "content": HOSTILE}],
            tags=[HOSTILE],
        )
    with running(folder, "--allow-origin", "http://allowed.test:1") as asking:
        yield asking


@pytest.fixture
def answered() -> list[tuple[str, int]]:
    """Address and status of each answer that a page got."""
    return []


@pytest.fixture
def page(browser: Browser, answered: list[tuple[str, int]]) -> Iterator[Page]:
    context = browser.new_context()
    opened = context.new_page()
    opened.on("response", lambda one: answered.append((one.url, one.status)))
    yield opened
    context.close()


TRY = """async (address) => {
    const attempts = {
        get: [address + '/api/v1/sessions', {}],
        no_cors: [address + '/api/v1/sessions', {mode: 'no-cors'}],
        post: [address + '/api/v1/sessions',
               {method: 'POST', body: '{}', headers: {'Content-Type': 'application/json'}}],
        plain: [address + '/api/v1/sessions', {method: 'POST', mode: 'no-cors', body: '{}'}],
        put: [address + '/api/v1/sessions/x/runs/r', {method: 'PUT', body: '{}'}],
        cookie: [address + '/api/v1/sessions', {credentials: 'include'}],
        changes: [address + '/api/v1/changes', {headers: {'Last-Event-ID': '1'}}],
        code: [address + '/api/v1/token', {method: 'POST', body: '{"code": "x"}',
               headers: {'Content-Type': 'application/json'}}],
        document: [address + '/api/openapi.json', {}],
    };
    const found = {};
    for (const [name, [url, how]] of Object.entries(attempts)) {
        try {
            const answer = await fetch(url, how);
            found[name] = answer.type === 'opaque' ? 'opaque' : answer.status;
        } catch (error) {
            found[name] = error.name;
        }
    }
    found.events = await new Promise((done) => {
        const source = new EventSource(address + '/api/v1/changes');
        source.onopen = () => done('open');
        source.onerror = () => { source.close(); done('refused'); };
    });
    for (const [name, tag] of [['script', 'script'], ['img', 'img']]) {
        found[name] = await new Promise((done) => {
            const element = document.createElement(tag);
            element.src = address + '/api/v1/sessions';
            element.onload = () => done('loaded');
            element.onerror = () => done('refused');
            document.head.append(element);
        });
    }
    return found;
}"""


@contextmanager
def unchanged(service: Asking) -> Iterator[None]:
    before = service("GET", "health").document["last_change"]
    yield
    assert service("GET", "health").document["last_change"] == before


def test_a_name_that_leads_here_reads_and_writes_nothing(browser: Browser, service: Asking) -> None:
    """(2) DNS rebinding: to the browser it is the page's own origin."""
    address = f"http://evil.test:{service.port}"
    # Without its policy, as if the page had been loaded before the name led here.
    context = browser.new_context(bypass_csp=True)
    answered: list[int] = []
    context.on("response", lambda one: answered.append(one.status))
    page = context.new_page()
    with unchanged(service):
        page.goto(f"{address}/")
        found = page.evaluate(TRY, address)
    assert found.pop("no_cors") == found.pop("plain") == 403  # it is the same origin
    assert set(found.values()) <= {403, "refused"}, found
    assert len(answered) >= 10
    assert {*answered} == {403}
    context.close()


def test_the_address_of_all_addresses_is_not_answered(
    page: Page, service: Asking, other_port: int, answered: list[tuple[str, int]]
) -> None:
    """(3) http://0.0.0.0 reaches this machine."""
    from playwright.sync_api import Error

    with unchanged(service):
        with contextlib.suppress(Error):  # a browser may refuse it itself
            page.goto(f"http://0.0.0.0:{service.port}/api/v1/sessions")
        page.goto(f"http://127.0.0.1:{other_port}/")
        found = page.evaluate(TRY, f"http://0.0.0.0:{service.port}")
    assert {*found.values()} <= {"TypeError", "refused", "opaque"}, found
    reached = [status for url, status in answered if f"0.0.0.0:{service.port}" in url]
    assert {*reached} <= {403}


def test_a_page_on_another_port_reads_and_writes_nothing(
    page: Page, service: Asking, other_port: int
) -> None:
    """(4) CORS, no-cors, preflight, script, picture, event source; (8) the exchange of a code."""
    address = f"http://127.0.0.1:{service.port}"
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    with unchanged(service):
        page.goto(f"http://127.0.0.1:{other_port}/")
        found = page.evaluate(TRY, address)
    assert {*found.values()} <= {"TypeError", "refused"}, found  # not even that it is there
    assert len([url for url in asked if url.startswith(address)]) >= 10


def test_a_form_and_a_frame_of_another_port_get_nothing(
    page: Page, service: Asking, other_port: int, answered: list[tuple[str, int]]
) -> None:
    """(4), (16)"""
    address = f"http://127.0.0.1:{service.port}/api/v1/sessions"
    with unchanged(service):
        page.goto(f"http://127.0.0.1:{other_port}/")
        page.evaluate(
            """(address) => new Promise((done) => {
                const frame = document.createElement('iframe');
                frame.src = address;
                frame.onload = frame.onerror = done;
                document.body.append(frame);
            })""",
            address,
        )
        with page.expect_navigation():
            page.evaluate(
                """(address) => {
                    const form = document.createElement('form');
                    Object.assign(form, {action: address, method: 'POST', enctype: 'text/plain'});
                    document.body.append(form);
                    form.submit();
                }""",
                address,
            )
    reached = [status for url, status in answered if url == address]
    assert len(reached) >= 1
    assert {*reached} == {403}


def test_a_hostile_session_runs_nothing_and_asks_nobody(browser: Browser, service: Asking) -> None:
    """(13), (15), (16): its answers opened as documents, with the token."""
    context = browser.new_context(extra_http_headers=service.own)
    asked: list[str] = []
    context.on("request", lambda one: asked.append(one.url))
    page = context.new_page()
    address = f"http://127.0.0.1:{service.port}/api/v1"
    for path in (
        *("sessions", "sessions/hostile", "sessions/hostile/messages", "sessions/hostile/history"),
        *("search?q=script", "sessions/%3Cscript%3Ewindow.hit=1%3C%2Fscript%3E"),
    ):
        answer = page.goto(f"{address}/{path}")
        assert answer is not None
        assert answer.status in (200, 404)
        assert page.evaluate("() => window.hit") is None
        assert page.locator("script, img").count() == 0
    assert {url.split("/")[2] for url in asked} == {f"127.0.0.1:{service.port}"}
    context.close()


def test_a_page_that_is_allowed_reads_and_follows_with_the_token(
    browser: Browser, tmp_path: Path, other_port: int
) -> None:
    origin = f"http://127.0.0.1:{other_port}"
    with running(tmp_path / "sessions", "--allow-origin", origin) as service:
        page = browser.new_page()
        page.goto(f"{origin}/")
        told = page.evaluate(
            """async ([address, token]) => {
                const headers = {'Authorization': 'Bearer ' + token};
                const made = await fetch(address + '/sessions', {method: 'POST', body: '{}',
                    headers: {...headers, 'Content-Type': 'application/json',
                              'Idempotency-Key': 'k'}});
                const stream = await fetch(address + '/changes', {headers});
                const part = await stream.body.getReader().read();
                const bare = await fetch(address + '/sessions');
                return [made.status, made.headers.get('etag'), bare.status,
                        new TextDecoder().decode(part.value)];
            }""",
            [f"http://127.0.0.1:{service.port}/api/v1", service.token],
        )
        page.close()
    assert told[0] == 201
    assert told[1].startswith('"')
    assert told[2] == 401
    assert "event: ready" in told[3]
