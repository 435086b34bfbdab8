"""Sessions that attack who reads them (attack list 13 to 16): nothing runs, nobody is asked.

Each test ends with no report of the policy, no error of a script and no request to the outside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from browser.opening import Opened
from localsessions import Session, SessionStore

if TYPE_CHECKING:
    Show = Callable[..., AbstractContextManager[Opened]]

pytestmark = pytest.mark.needs("browser")

OUTSIDE = "http://outside.test"
SCRIPTS = (
    "<script>window.hit = 1</script>",
    f"<img src={OUTSIDE}/a onerror='window.hit = 1'>",
    f"<svg onload='window.hit = 1'><use href='{OUTSIDE}/b#x'/></svg>",
    "<svg><a xlink:href='javascript:window.hit=1'><text y=20>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror='window.hit=1'></style></mglyph>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror='window.hit=1'>",
    f"<iframe src={OUTSIDE}/c srcdoc='<script>top.hit = 1</script>'></iframe>",
    f"<link rel=stylesheet href={OUTSIDE}/d><style>@import '{OUTSIDE}/e'; * {{color: red}}</style>",
    f"<base href={OUTSIDE}/><meta http-equiv=refresh content='0; url={OUTSIDE}/f'>",
    "<a href='javascript:window.hit=1'>x</a> <p style='position: fixed; inset: 0'>x</p>",
    "[x](javascript:window.hit=1) [x](JAVASCRIPT&colon;window.hit=1) [x](data:text/html,x)",
    "[x](vbscript:x) [x](file:///etc/passwd) <javascript:window.hit=1>",
    f"![x]({OUTSIDE}/g.png) ![x](//outside.test/h.png) ![x](javascript:window.hit=1)",
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+)",
    "```html\n<script>window.hit = 1</script>\n```\n```<img src=x onerror=window.hit=1>\nx\n```",
    f'[x]({OUTSIDE} "onmouseover=window.hit=1 x=") https://a.test/"onmouseover=window.hit=1',
    "{{constructor.constructor('window.hit=1')()}} ${window.hit=1} <!-- --!><img src=x>",
    "<template><script>window.hit=1</script></template><noscript><p id='</noscript><img src=x>'>",
    "| <img src=x onerror=window.hit=1> |\n|:-:|\n| <b style='color:red'>x</b> |",
    "\x1b]8;;http://outside.test\x07link\x1b]8;;\x07 \u202egnp.exe\u202c \u2066x\u2069 a\u200bb",
    "id=__proto__ <img name=getElementById><form id=page><input name=querySelector>",
)
HOSTILE = "\n\n".join(SCRIPTS)
PICTURES = [
    {"type": "image_url", "image_url": {"url": f"{OUTSIDE}/i.png"}},
    {"type": "image_url", "image_url": {"url": "javascript:window.hit=1"}},
    {"type": "input_image", "image_url": "data:image/svg+xml,<svg onload='window.hit=1'/>"},
    {"type": "image", "source": {"media_type": "text/html", "data": "PHNjcmlwdD4="}},
    {"type": "image", "source": {"media_type": "image/png;base64,x' onerror='x", "data": ""}},
    {"inlineData": {"mimeType": "image/gif", "data": "R0lGODlhAQABAAAAACw="}},
]


OPEN_FOLDS = """() => {
    const folds = document.querySelectorAll('.message details:not([open]) > summary');
    for (const summary of folds) summary.click();
}"""


def hostile_messages(text: str) -> list[dict[str, Any]]:
    """Put a text wherever a message can have one."""
    arguments = json.dumps({"command": text})
    call = {"id": text, "type": text, "function": {"name": text, "arguments": arguments}}
    return [
        {"role": "user", "content": text, "name": text, "created_at": text},
        {"role": "assistant", "content": text, "model": text, "reasoning": text},
        {"role": "assistant", "content": None, "tool_calls": [call, {"function": text}, text]},
        {"role": "tool", "content": text, "tool_call_id": text},
        {"role": text, "content": [{"type": "text", "text": text}, {"type": text}, *PICTURES]},
        {"role": "system", "content": {"text": text}},
    ]


def test_a_hostile_session_runs_nothing_and_asks_nobody(store: SessionStore, show: Show) -> None:
    """(13), (15)"""
    from playwright.sync_api import expect

    made = Session(session_id="h", title=HOSTILE, tags=SCRIPTS[:3], agent_id=HOSTILE)
    made.source = {"program": SCRIPTS[0], "project": SCRIPTS[1], "branch": SCRIPTS[2]}
    made.messages = hostile_messages(HOSTILE)
    store.save(made)
    store.save_checkpoint("h", {SCRIPTS[0]: SCRIPTS[1]})
    store.save_checkpoint("h", {SCRIPTS[0]: SCRIPTS[2]})
    store.fork("h", new_id="f")
    with show() as opened:
        page = opened.page
        page.locator("#search").fill("hit")
        expect(page.locator("a.line mark").first).to_be_visible()
        opened.go("/s/h?q=window.hit")
        expect(page.get_by_role("heading", level=1)).to_contain_text("<script>")
        for position in range(len(made.messages)):
            opened.go(f"/s/h?at={position}")
            page.wait_for_timeout(150)
            page.evaluate(OPEN_FOLDS)
            page.wait_for_timeout(150)
        pictures = page.evaluate("() => [...document.images].map((one) => one.outerHTML)")
        assert 1 <= len(pictures) <= 2
        for markup in pictures:
            assert markup.startswith('<img class="picture" src="data:image/')
            assert '" onerror' not in markup
        page.get_by_label("Raw message 1").click()
        page.locator("summary", has_text="Acts").click()
        page.get_by_role("button", name="Compare…").click()
        page.get_by_role("button", name="Compare checkpoints").click()
        expect(page.locator(".difference")).to_be_visible()
        page.get_by_role("button", name="Compare", exact=True).click()
        page.get_by_role("button", name="Close").click()
        page.locator("summary", has_text="Filter").click()
        page.keyboard.press("Escape")
        for by in ("Projects", "Programs"):
            page.get_by_role("button", name=by).click()
            expect(page.locator("button.group").first).to_be_visible()
        opened.go("/trash")
        assert page.evaluate("() => window.hit") is None
        hrefs = page.evaluate("() => [...document.querySelectorAll('a[href]')].map((a) => a.href)")
        assert {href.split(":")[0] for href in hrefs} <= {"http", "https", "mailto"}
        assert page.locator("script[src*=outside], link[href*=outside], style, iframe").count() == 0


def test_what_hides_in_a_title_is_named(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", title="invoice\u202efdp.exe\u200b", messages=[])
    with show() as opened:
        expect(opened.page.locator("a.line .title")).to_have_text("invoice[U+202E]fdp.exe[U+200B]")
        opened.go("/s/a")
        expect(opened.page.get_by_role("heading", level=1)).to_contain_text("[U+202E]")


BOMBS = (
    ">" * 20_000,
    "[" * 20_000,
    "*a_ " * 5_000,
    "`" * 19_999,
    "- " * 9_000,
    "| " * 9_000 + "\n" + "|-" * 9_000,
    "http://a.test/" + "(" * 15_000,
    "```python\n" + "(" * 19_000 + "\n```",
    "```xml\n" + "<a " * 6_000 + "\n```",
    "\u0300" * 15_000,
)


def test_bombs_of_markdown_leave_the_page_alive(store: SessionStore, show: Show) -> None:
    """(14)"""
    from playwright.sync_api import expect

    messages = [{"role": "assistant", "content": bomb} for bomb in BOMBS]
    store.create("a", messages=[*messages, {"role": "assistant", "content": "fine"}])
    with show() as opened:
        for position in range(len(BOMBS) + 1):
            opened.go(f"/s/a?at={position}")
            article = opened.page.get_by_label(f"Message {position + 1}, Assistant")
            expect(article).to_be_visible()
        expect(opened.page.get_by_text("fine", exact=True)).to_be_in_viewport()


def test_a_message_of_50_mb_is_read_from_its_beginning(store: SessionStore, show: Show) -> None:
    """(14)"""
    from playwright.sync_api import expect

    store.create("a", messages=[{"role": "tool", "content": "x" * 50_000_000}])
    sizes: list[int] = []
    with show() as opened:
        opened.page.on(
            "response",
            lambda one: sizes.append(len(one.body())) if "/messages?" in one.url else None,
        )
        opened.go("/s/a")
        expect(opened.page.locator("details.result")).to_be_visible(timeout=120_000)
        expect(opened.page.get_by_text("This is the beginning")).to_be_visible()
        assert max(sizes) < 30_000


def test_regular_expressions_in_a_search_are_words(store: SessionStore, show: Show) -> None:
    """(14)"""
    from playwright.sync_api import expect

    store.create("a", messages=[{"role": "user", "content": "a" * 5_000 + " (a+)+$ end"}])
    with show() as opened:
        page = opened.page
        for text in ("(a+)+$", '"', "\\", "*", "a" * 3_000, "%_%", "NEAR(a b)"):
            page.locator("#search").fill(text)
            page.wait_for_timeout(200)
        page.locator("#search").fill("end")
        expect(page.locator("a.line")).to_have_count(1)
        page.keyboard.press("Escape")
        opened.go("/s/a")
        expect(page.locator("article")).to_have_count(1)
        page.keyboard.press("f")
        page.keyboard.type("(a+)+$")
        expect(page.locator(".find [role=status]")).to_have_text("1 of 1 messages")


def test_the_page_takes_no_server_and_no_token_of_its_address(
    store: SessionStore, show: Show
) -> None:
    """(9), (12)"""
    from playwright.sync_api import expect

    store.create("a", title="Mine", messages=[])
    with show() as opened:
        page = opened.page
        expect(page.locator("a.line")).to_have_count(1)
        opened.go(f"/?server={OUTSIDE}&url={OUTSIDE}&token=x")
        page.reload()
        expect(page.locator("a.line")).to_have_count(1)
        token = page.evaluate("() => sessionStorage.getItem('token')")
        assert len(token) >= 32
        assert token not in page.content()
        assert not [url for url in opened.asked if token in url]
        assert page.evaluate("() => document.cookie") == ""
        assert token not in json.dumps(page.evaluate("() => ({...localStorage})"))


def test_a_page_without_its_code_shows_nothing(store: SessionStore, show: Show) -> None:
    """(8)"""
    from playwright.sync_api import expect

    store.create("a", title="Mine", messages=[])
    with show() as opened:
        expect(opened.page.get_by_text("Mine")).to_be_visible()
        browser = opened.page.context.browser
        assert browser is not None
        for fragment in ("", "#code=guessed", "#/s/a"):
            other = browser.new_page()
            other.goto(f"{opened.origin}/{fragment}")
            expect(other.get_by_role("heading")).to_have_text("This page is closed")
            expect(other.get_by_text("Mine")).to_have_count(0)
            other.close()


def test_a_page_whose_code_finds_no_answer_says_so(store: SessionStore, show: Show) -> None:
    """(8) It does not stay empty when the connection breaks."""
    from playwright.sync_api import expect

    with show() as opened:
        browser = opened.page.context.browser
        assert browser is not None
        other = browser.new_page()
        other.route("**/api/v1/token", lambda route: route.abort())
        other.goto(f"{opened.origin}/#code=lost")
        expect(other.get_by_role("heading")).to_have_text("This page is closed")
        other.close()


class Framing(BaseHTTPRequestHandler):
    """A page of another port that frames the address in its query."""

    def do_GET(self) -> None:
        address = self.path.partition("?")[2]
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f"<iframe src='{address}'></iframe>".encode())

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def framing() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Framing)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_page_is_in_no_frame_and_open_to_no_other_page(
    store: SessionStore, show: Show, framing: int
) -> None:
    """(16)"""
    with show() as opened:
        browser = opened.page.context.browser
        assert browser is not None
        other = browser.new_page()
        other.goto(f"http://127.0.0.1:{framing}/?{opened.origin}/")
        other.wait_for_timeout(500)
        assert [frame.locator("#page").count() for frame in other.frames[1:]] in ([], [0])
        with other.expect_popup() as popup:
            other.evaluate("(url) => { window.other = window.open(url); }", f"{opened.origin}/")
        popup.value.wait_for_load_state()
        # The first document of the popup is an empty one of the opener's own.
        other.wait_for_function("() => window.other === null || window.other.closed")
        popup.value.close()
        other.close()
