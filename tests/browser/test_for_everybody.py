"""The page for who uses a screen reader, keys only, or a phone; in both themes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser.opening import Opened
from browser.test_page import talk, told, worked
from localsessions import SessionStore

if TYPE_CHECKING:
    from playwright.sync_api import Page

    Show = Callable[..., AbstractContextManager[Opened]]

pytestmark = pytest.mark.needs("browser")

AXE = Path(__file__).parents[2] / "page" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture
def axe() -> str:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run make page")
    return AXE.read_text("utf-8")


def violations(page: Page, axe: str) -> list[str]:
    """Return what axe-core finds, each with the elements."""
    page.evaluate(axe)
    found = page.evaluate("() => window.axe.run(document)")
    assert len(found["passes"]) > 10
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_violation(store: SessionStore, show: Show, axe: str, dark: bool) -> None:
    from playwright.sync_api import expect

    store.create("a", title="Files", tags=["red"], messages=worked())
    store.create("b", title="Other", messages=talk("one", "two"))
    store.pin("b")
    store.save_checkpoint("a", {"a": 1})
    store.save_checkpoint("a", {"a": 2})
    store.create("gone", messages=talk("x"))
    store.delete("gone")
    Path(store.path("torn")).write_text('{"format": 1,', "utf-8")
    with show(dark=dark) as opened:
        page = opened.page
        expect(page.locator("a.line")).to_have_count(3)
        assert violations(page, axe) == []
        opened.go("/s/a?q=files")
        expect(page.locator("article")).to_have_count(7)
        for fold in page.locator("details.fold > summary").all():
            fold.click()
        page.get_by_label("Raw message 2").click()
        page.keyboard.press("f")
        page.keyboard.type("alpha")
        expect(page.locator(".find [role=status]")).to_have_text("1 of 1 messages")
        assert violations(page, axe) == []
        page.keyboard.press("Escape")
        page.locator("summary", has_text="Acts").click()
        assert violations(page, axe) == []
        page.get_by_role("button", name="Export…").click()
        expect(page.get_by_text("Nothing looks like a secret.")).to_be_visible()
        assert violations(page, axe) == []
        page.keyboard.press("Escape")
        page.keyboard.press("Control+k")
        expect(page.get_by_role("listbox")).to_be_visible()
        assert violations(page, axe) == []
        page.keyboard.press("Escape")
        page.locator("summary", has_text="Filter").click()
        assert violations(page, axe) == []
        for place in ("/trash", "/import", "/s/torn", "/?by=project", "/?q=nothingfits"):
            opened.go(place)
            page.wait_for_timeout(500)
            assert violations(page, axe) == [], place


def test_every_act_is_done_by_keys_only(store: SessionStore, show: Show) -> None:
    """Find, open, read, rename, tag, pin, archive, fork, delete, restore and undo; no mouse."""
    from playwright.sync_api import expect

    store.create("a", title="Pasta", messages=worked())
    store.create("b", title="Tyres", messages=talk("which?", "the wide one"))
    with show() as opened:
        page, keys = opened.page, opened.page.keyboard
        expect(page.locator("a.line")).to_have_count(2)
        keys.press("/")
        keys.type("alpha")
        expect(page.locator("a.line")).to_have_count(1)
        keys.press("Escape")
        keys.press("j")
        expect(page.locator("a.line.chosen")).to_be_focused()
        keys.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Pasta")
        keys.press("n")
        keys.press("s")
        expect(page.locator("article")).to_have_count(4)
        keys.press("r")
        expect(page.get_by_label("Title")).to_be_focused()
        keys.type("Penne")
        keys.press("Enter")
        expect(told(page)).to_contain_text("Renamed")
        keys.press("t")
        keys.type("food")
        keys.press("Enter")
        expect(told(page)).to_contain_text("Tagged food")
        keys.press("b")
        expect(told(page)).to_contain_text("Pinned")
        keys.press("e")
        expect(told(page)).to_contain_text("Archived")
        keys.press("u")
        expect(told(page)).to_contain_text("Undone: Archived")
        keys.press("Control+k")
        keys.type("fork")
        keys.press("Enter")
        expect(told(page)).to_contain_text("Forked")
        expect(page.get_by_text("From a")).to_be_visible()
        keys.press("Delete")
        expect(told(page)).to_contain_text("Moved to the trash")
        keys.press("g")
        keys.press("t")
        expect(page.get_by_role("button", name="Restore")).to_be_visible()
        keys.press("u")
        expect(page.get_by_text("The trash is empty.")).to_be_visible()
        keys.press("d")
        assert page.locator("html").get_attribute("data-theme") == "light"
        keys.press("Escape")
        expect(page.get_by_role("heading", name="Pick a session")).to_be_visible()
    stored = store.load("a")
    assert (stored.title, stored.tags, stored.pinned) == ("Penne", ["food"], True)


def tab_to(page: Page, label: str) -> None:
    """Press Tab until what has this name has the focus."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == label:
            return
    raise AssertionError(f"no Tab leads to {label}")


FOCUSED = """() => {
    const one = document.activeElement;
    return one.ariaLabel ?? one.labels?.[0]?.innerText ?? one.innerText;
}"""


def test_what_is_asked_is_answered_by_keys_only(store: SessionStore, show: Show) -> None:
    """A conflict, an export, comparing, a message, a tag, the trash, a broken file; no mouse."""
    from playwright.sync_api import expect

    store.create("a", title="Pasta", messages=worked(), tags=["old"])
    store.fork("a", at=3, new_id="b")
    store.create("torn", messages=talk(*[f"text {n}" for n in range(30)]))
    path = Path(store.path("torn"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with show() as opened:
        page, keys = opened.page, opened.page.keyboard
        opened.go("/s/a")
        expect(page.locator("article")).to_have_count(7)
        tab_to(page, "Remove the tag old")
        keys.press("Enter")
        expect(told(page)).to_contain_text("Removed the tag old")
        keys.press("r")
        page.route("**/outline", lambda route: route.abort())
        store.rename("a", "Theirs")
        keys.type("Mine")
        keys.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        tab_to(page, "Write mine")
        keys.press("Enter")
        expect(told(page)).to_contain_text("Renamed")
        page.unroute("**/outline")
        keys.press("x")
        expect(page.get_by_text("Nothing looks like a secret.")).to_be_visible()
        tab_to(page, "Save the file")
        with page.expect_download() as saving:
            keys.press("Enter")
        assert saving.value.suggested_filename.endswith(".md")
        keys.press("c")
        tab_to(page, "Compare")
        keys.press("Enter")
        expect(page.locator(".difference li").first).to_have_text("4 messages the same")
        keys.press("Escape")
        tab_to(page, "Raw message 2")
        keys.press("Enter")
        expect(page.locator("pre.raw")).to_be_visible()
        tab_to(page, "Fork at message 3")
        keys.press("Enter")
        expect(told(page)).to_contain_text("Forked")
        expect(page.get_by_text("From a")).to_be_visible()
        keys.press("Delete")
        expect(told(page)).to_contain_text("Moved to the trash")
        keys.press("g")
        keys.press("t")
        expect(page.locator(".panel li")).to_have_count(1)
        (gone,) = store.trash()
        tab_to(page, f"Restore {gone.session_id}")
        keys.press("Enter")
        expect(told(page)).to_contain_text("Restored")
        opened.go("/s/torn")
        tab_to(page, "Save what can be read")
        keys.press("Enter")
        expect(told(page)).to_contain_text("recovered")
        keys.press("u")
        expect(told(page)).to_contain_text("Undone: recovered")
    assert store.load("a").title == "Mine"


def test_a_phone_shows_one_side_at_a_time(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    long = "a_very_long_word_without_a_space_" * 20
    table = "| a | b | c |\n|--|--|--|\n" + f"| {'wide ' * 20} | {long} | x |"
    messages = talk("hello", f"{long}\n\n{table}")
    messages[1]["usage"] = {"input_tokens": 123_456_789, "output_tokens": 123_456_789, "cost": 12.5}
    store.create("a", title=f"Phone {long}", messages=messages)
    with show(width=360, height=740) as opened:
        page = opened.page
        expect(page.locator("a.line")).to_be_visible()
        expect(page.locator("main")).to_be_hidden()
        page.locator("a.line").click()
        expect(page.locator("article")).to_have_count(2)
        expect(page.locator("aside")).to_be_hidden()
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        reader = page.locator(".reader .scroll").evaluate("(box) => box.scrollWidth")
        assert (wide, reader) == (360, 360)
        size = page.locator(".tokens .size").bounding_box()
        assert size is not None
        assert size["x"] + size["width"] <= 360
        page.locator("summary", has_text="Acts").click()
        sheet = page.locator(".acts .sheet").bounding_box()
        assert sheet is not None
        assert sheet["x"] >= 0
        assert sheet["x"] + sheet["width"] <= 360
        page.keyboard.press("Escape")
        page.get_by_label("Back to the list").click()
        expect(page.locator("aside")).to_be_visible()


def test_the_theme_is_that_of_the_system_until_it_is_chosen(
    store: SessionStore, show: Show
) -> None:
    def paper(page: Page) -> str:
        return str(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))

    with show(dark=True) as opened:
        page = opened.page
        page.get_by_label("Theme").wait_for()
        dark = paper(page)
        page.get_by_label("Theme").click()
        light = paper(page)
        assert dark != light
        page.reload()
        page.get_by_label("Theme").wait_for()
        assert paper(page) == light
