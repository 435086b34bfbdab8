"""What a person does on the page: find, read, keep in order. In a real browser, over a service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from server.asking import running

from browser.opening import Opened
from localsessions import Session, SessionStore

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    Show = Callable[..., AbstractContextManager[Opened]]

pytestmark = pytest.mark.needs("browser")


def talk(*texts: str) -> list[dict[str, Any]]:
    """Messages of a person and of an agent in turn."""
    return [
        {"id": f"m{n}", "role": "assistant" if n % 2 else "user", "content": text}
        for n, text in enumerate(texts)
    ]


def worked() -> list[dict[str, Any]]:
    """A prompt, a call with its result, and an answer."""
    call = {"id": "c1", "type": "function"}
    return [
        {"role": "system", "content": "You are careful."},
        {"role": "user", "content": "Count the **files**", "created_at": "2026-01-01T10:00:00Z"},
        {
            "role": "assistant",
            "content": None,
            "reasoning": "I should look first.",
            "tool_calls": [
                {**call, "function": {"name": "bash", "arguments": '{"command": "ls"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "alpha.txt\nbeta.txt\ngamma.txt"},
        {"role": "assistant", "content": "There are `3` files:\n\n```python\nprint(3)\n```"},
        {"role": "user", "content": "And now?"},
        {"role": "assistant", "content": "Still three."},
    ]


def line(page: Page, title: str) -> Locator:
    return page.locator("a.line", has_text=title)


def told(page: Page) -> Locator:
    return page.locator(".notice")


# -- the list ------------------------------------------------------------------------------------


def test_a_session_is_found_while_typing_and_opens_at_its_hit(
    store: SessionStore, show: Show
) -> None:
    from playwright.sync_api import expect

    store.create("a", title="Cooking", messages=talk("Which pasta?", "Take the penne rigate"))
    store.create("b", title="Cycling", messages=talk("Which tyre?", "The wide one", "你好世界"))
    with show() as opened:
        page = opened.page
        expect(page.locator("a.line")).to_have_count(2)
        page.keyboard.press("/")
        page.keyboard.type("penne")
        expect(page.locator("a.line")).to_have_count(1)
        expect(page.locator("a.line mark")).to_have_text("penne")
        assert "q=penne" in page.url
        line(page, "Cooking").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Cooking")
        expect(page.get_by_label("Message 2, Assistant")).to_be_in_viewport()
        page.locator("#search").fill("世界")
        expect(line(page, "Cycling")).to_be_visible()


def test_the_place_is_in_the_address(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", title="First", tags=["red"], messages=talk("x"))
    store.create("b", title="Second", tags=["blue"], messages=talk("y"))
    with show() as opened:
        page = opened.page
        page.locator("summary", has_text="Filter").click()
        page.get_by_label("Tag").first.select_option("red")
        expect(page.locator("a.line")).to_have_count(1)
        page.keyboard.press("Escape")
        line(page, "First").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("First")
        address = page.url
        assert "tag=red" in address
        assert "/s/a" in address
        assert "code=" not in address
        page.go_back()
        expect(page.get_by_role("heading", name="Pick a session")).to_be_visible()
        page.reload()  # the token is in the tab's memory
        expect(page.locator("a.line")).to_have_count(1)
        other = page.context.new_page()  # and another tab asks this one
        other.goto(address)
        expect(other.get_by_role("heading", level=1)).to_have_text("First")
        expect(other.locator("a.line")).to_have_count(1)
        other.close()
        page.get_by_label("Remove the filter tag").click()
        expect(page.locator("a.line")).to_have_count(2)


def test_sessions_are_put_together_by_project_and_program(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    for name, project in (("a", "/home/me/app"), ("b", "/home/me/app"), ("c", "/srv/site")):
        made = Session(session_id=name, title=f"Chat {name}", messages=talk("x"))
        made.source = {"program": "codex", "project": project}
        store.save(made)
    with show() as opened:
        page = opened.page
        page.get_by_role("button", name="Projects").click()
        expect(page.locator("button.group")).to_have_count(2)
        page.locator("button.group", has_text="app").click()
        expect(page.locator("a.line")).to_have_count(2)
        assert "project=" in page.url
        page.get_by_role("button", name="Programs").click()
        expect(page.locator("button.group")).to_have_count(1)


def test_a_list_of_thousands_is_scrolled_to_its_end(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create_many(Session(session_id=f"s{n}", title=f"Number {n}") for n in range(700))
    with show() as opened:
        page = opened.page
        expect(page.locator(".count")).to_have_text("700 sessions")
        scroller = page.locator(".list .scroll")
        for _ in range(30):
            scroller.evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
            page.wait_for_timeout(100)
            if page.locator("a.line", has_text=re.compile(r"^Number 0\D")).count():
                break
        expect(page.locator("a.line", has_text=re.compile(r"^Number 0\D"))).to_be_visible()
        assert page.locator("a.line").count() < 60


def test_a_list_that_changes_while_it_grows_grows_on(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create_many(Session(session_id=f"s{n}", title=f"Number {n}") for n in range(450))
    with show() as opened:
        page = opened.page
        expect(page.locator(".count")).to_have_text("450 sessions")
        # The next page is on its way when the folder changes, and is given up then.
        page.route("**/api/v1/sessions?*cursor=*", lambda route: None, times=1)
        scroller = page.locator(".list .scroll")
        scroller.evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
        store.create("new", title="Just begun")
        expect(page.locator(".count")).to_have_text("451 sessions")
        page.wait_for_function(
            "(box) => box.scrollHeight > 300 * 62", arg=scroller.element_handle()
        )


# -- reading -------------------------------------------------------------------------------------


def test_a_session_is_read_with_its_work_folded(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", title="Files", messages=worked())
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        expect(page.get_by_label("Message 2, You").locator("strong")).to_have_text("files")
        expect(page.locator(".hljs-built_in")).to_have_text("print")
        call = page.locator("details.call")
        expect(call.locator("summary")).to_contain_text("bash ls")
        result = page.locator("details.result")
        expect(result.locator("summary")).to_contain_text("alpha.txt")
        expect(result.locator("summary")).to_contain_text("3 lines")
        expect(result.locator("pre")).to_have_count(0)
        result.locator("summary").click()
        expect(result.locator("pre")).to_contain_text("gamma.txt")
        thought = page.get_by_label("Message 3, Assistant").locator("details.thought")
        expect(thought.locator(".text")).to_have_count(0)
        thought.locator("summary").click()
        expect(thought.locator(".text")).to_have_text("I should look first.")
        page.get_by_label("Message 4, Tool").hover()
        page.get_by_label("Raw message 4").click()
        raw = page.get_by_label("Message 4, Tool").locator("pre.raw")
        assert json.loads(raw.inner_text())["tool_call_id"] == "c1"


def test_only_what_was_said_hides_the_work(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", messages=worked())
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        expect(page.locator("article")).to_have_count(7)
        page.get_by_role("button", name="Only what was said").click()
        expect(page.locator("article")).to_have_count(4)
        assert "said=1" in page.url
        page.keyboard.press("s")
        expect(page.locator("article")).to_have_count(7)


def test_prompts_are_jumped_to(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    texts = [f"Question {n}" if n % 2 == 0 else "long " * 900 for n in range(20)]
    store.create("a", messages=talk(*texts))
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        expect(page.get_by_label("Message 1, You")).to_be_visible()
        page.keyboard.press("n")
        expect(page.get_by_label("Message 3, You")).to_be_in_viewport()
        page.keyboard.press("n")
        expect(page.get_by_label("Message 5, You")).to_be_in_viewport()
        page.keyboard.press("p")
        expect(page.get_by_label("Message 3, You")).to_be_in_viewport()
        page.locator("summary", has_text="Prompts").click()
        page.get_by_role("button", name="Question 16").click()
        expect(page.get_by_label("Message 17, You")).to_be_in_viewport()
        expect(page).to_have_url(re.compile("at=16"))
        page.reload()
        expect(page.get_by_label("Message 17, You")).to_be_in_viewport()


def test_a_text_is_found_in_the_session_even_where_it_is_folded(
    store: SessionStore, show: Show
) -> None:
    from playwright.sync_api import expect

    store.create("a", messages=[*talk(*["filler " * 200] * 60), *worked()])
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        expect(page.get_by_label("Message 1, You")).to_be_visible()
        page.keyboard.press("f")
        page.keyboard.type("gamma")
        expect(page.locator(".find [role=status]")).to_have_text("1 of 1 messages")
        expect(page.locator("details.result pre")).to_be_in_viewport()
        page.wait_for_function("() => CSS.highlights.get('found')?.size > 0")
        page.keyboard.press("Escape")
        expect(page.locator(".find")).to_have_count(0)


def test_a_long_session_is_fetched_by_ranges_and_little_of_it_is_drawn(
    store: SessionStore, show: Show
) -> None:
    from playwright.sync_api import expect

    store.create("a", messages=talk(*[f"Text {n} " + "word " * 50 for n in range(5000)]))
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        expect(page.get_by_label("Message 1, You")).to_be_visible()
        # The beginning and the end; again when the stream of changes is there.
        ranges = {url for url in opened.asked if "/messages?" in url}
        assert 1 <= len(ranges) <= 2, ranges
        assert page.locator("article").count() < 40
        page.keyboard.press("Shift+G")
        expect(page.get_by_label("Message 5000, Assistant")).to_be_in_viewport()
        ranges = {url for url in opened.asked if "/messages?" in url}
        assert len(ranges) <= 8, ranges
        assert page.locator("article").count() < 40


def test_a_long_text_comes_when_it_is_wanted(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", messages=talk("x", "y " * 20_000 + "the end"))
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        message = page.get_by_label("Message 2, Assistant")
        expect(message).to_contain_text("This is the beginning")
        assert "the end" not in message.inner_text()
        message.get_by_role("button", name="Show all of it").click()
        expect(message).to_contain_text("the end")
        store.append("a", *talk("More?", "No."))  # the messages around it are fetched again
        expect(page.get_by_label("Message 4, Assistant")).to_contain_text("No.")
        expect(message).to_contain_text("the end")


# -- live ----------------------------------------------------------------------------------------


def test_what_comes_does_not_move_what_is_read(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", title="Growing", messages=talk(*["words " * 120] * 40))
    with show() as opened:
        page = opened.page
        opened.go("/s/a?at=10")
        target = page.get_by_label("Message 11, You")
        expect(target).to_be_in_viewport()
        page.wait_for_timeout(500)
        before = target.bounding_box()
        store.append("a", {"role": "user", "content": "a new one"})
        expect(page.locator(".head .facts")).to_contain_text("41 messages")
        after = target.bounding_box()
        assert before is not None
        assert after is not None
        assert abs(after["y"] - before["y"]) < 2


def test_who_is_at_the_end_sees_what_comes(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", messages=talk(*["words " * 120] * 20))
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        expect(page.get_by_label("Message 1, You")).to_be_visible()
        page.keyboard.press("Shift+G")
        expect(page.get_by_label("Message 20, Assistant")).to_be_in_viewport()
        page.locator(".reader .scroll").evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
        page.wait_for_timeout(400)
        store.upsert_run("a", {"run_id": "r"}, {"id": "n", "role": "assistant", "content": "Well"})
        expect(page.get_by_text("Well", exact=True)).to_be_in_viewport()
        message = {"id": "n", "role": "assistant", "content": "Well, it grows " + "on " * 400}
        store.upsert_run("a", {"run_id": "r"}, message)
        expect(page.get_by_text("Well, it grows")).to_be_visible()
        expect(page.get_by_label("Message 21, Assistant")).to_be_in_viewport()


def test_a_mark_says_what_is_new_since_the_last_visit(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", title="Growing", messages=talk(*["words " * 120] * 12))
    store.create("b", title="Other", messages=talk("x"))
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        expect(page.get_by_label("Message 1, You")).to_be_visible()
        page.keyboard.press("Shift+G")
        expect(page.get_by_label("Message 12, Assistant")).to_be_in_viewport()
        page.locator(".reader .scroll").evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
        page.wait_for_timeout(600)
        line(page, "Other").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Other")
        store.append("a", *talk(*["new " * 300] * 4))
        line(page, "Growing").click()
        expect(page.locator(".pill")).to_have_text(re.compile("^4 new messages"))
        page.locator(".pill").click()
        expect(page.locator("p.new")).to_have_text("New since your last visit")
        expect(page.locator(".pill")).to_have_count(0)


def test_a_new_session_comes_into_the_list(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    with show() as opened:
        expect(opened.page.get_by_text("No sessions yet.")).to_be_visible()
        store.create("a", title="Just begun", messages=talk("x"))
        expect(line(opened.page, "Just begun")).to_be_visible()
        store.rename("a", "Called anew")
        expect(line(opened.page, "Called anew")).to_be_visible()
        store.delete("a")
        expect(opened.page.locator("a.line")).to_have_count(0)


# -- acts ----------------------------------------------------------------------------------------


def test_rename_tag_pin_and_archive_are_done_and_undone(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", title="Old", messages=talk("x"))
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        page.get_by_role("button", name="Old").click()
        page.get_by_label("Title").fill("New")
        page.keyboard.press("Enter")
        expect(told(page)).to_contain_text("Renamed")
        expect(line(page, "New")).to_be_visible()
        page.keyboard.press("t")
        page.get_by_label("New tag").fill("red")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Remove the tag red")).to_be_visible()
        page.keyboard.press("b")
        expect(page.locator(".day", has_text="Pinned")).to_be_visible()
        page.keyboard.press("e")
        expect(told(page)).to_contain_text("Archived")
        expect(page.locator("a.line")).to_have_count(0)
        stored = store.load("a")
        assert (stored.title, stored.tags, stored.pinned) == ("New", ["red"], True)
        assert stored.status == "archived"
        for said in ("Archived", "Pinned", "Tagged red", "Renamed"):
            page.keyboard.press("u")
            expect(told(page)).to_contain_text(f"Undone: {said}")
        stored = store.load("a")
        assert (stored.title, stored.tags, stored.pinned) == ("Old", [], False)
        assert stored.status == "active"


def test_a_fork_and_a_deletion_are_undone(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", title="Origin", messages=talk("one", "two", "three", "four"))
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        page.get_by_label("Message 2, Assistant").hover()
        page.get_by_label("Fork at message 2").click()
        expect(told(page)).to_contain_text("Forked")
        expect(page.get_by_text("From a")).to_be_visible()
        expect(page.locator("article")).to_have_count(2)
        page.get_by_role("button", name="Undo").click()
        expect(told(page)).to_contain_text("Undone: Forked")
        assert [one.session_id for one in store.list()] == ["a"]
        expect(page.get_by_role("heading", level=1)).to_have_text("Origin")
        page.keyboard.press("Delete")
        expect(told(page)).to_contain_text("Moved to the trash")
        assert store.get("a") is None
        page.get_by_role("button", name="Undo").click()
        expect(line(page, "Origin")).to_be_visible()
        assert store.load("a").title == "Origin"


def test_the_trash_gives_back(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", title="Gone", messages=talk("x"))
    store.delete("a")
    with show() as opened:
        page = opened.page
        page.get_by_role("button", name="Trash").click()
        page.get_by_role("button", name="Restore a").click()
        expect(line(page, "Gone")).to_be_visible()
        expect(page.get_by_text("The trash is empty.")).to_be_visible()
        page.keyboard.press("u")
        expect(page.get_by_role("button", name="Restore a")).to_be_visible()
        assert store.get("a") is None


def test_a_session_that_only_grew_is_no_conflict(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", title="Old", messages=talk("x"))
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        page.get_by_role("button", name="Old").click()
        block_events(page)
        store.append("a", {"role": "user", "content": "meanwhile"})
        page.get_by_label("Title").fill("New")
        page.keyboard.press("Enter")
        expect(told(page)).to_contain_text("Renamed")
    assert (store.load("a").title, len(store.load("a").messages)) == ("New", 2)


@pytest.mark.parametrize("choice", ["Write mine", "Keep what is stored"])
def test_a_conflict_is_shown_with_both_sides(store: SessionStore, show: Show, choice: str) -> None:
    from playwright.sync_api import expect

    store.create("a", title="Old", messages=talk("x"))
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        page.get_by_role("button", name="Old").click()
        block_events(page)
        store.rename("a", "Theirs")
        page.get_by_label("Title").fill("Mine")
        page.keyboard.press("Enter")
        sides = page.get_by_role("dialog").locator("tr")
        expect(sides).to_have_text(["You sawOld", "Stored nowTheirs", "YoursMine"])
        assert store.load("a").title == "Theirs"
        page.get_by_role("button", name=choice).click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(told(page)).to_contain_text("Renamed" if choice == "Write mine" else "Left as it is")
    assert store.load("a").title == ("Mine" if choice == "Write mine" else "Theirs")


def block_events(page: Page) -> None:
    """Read no session again, as when the change comes at the same moment."""
    page.route("**/outline", lambda route: route.abort())


def test_a_broken_file_says_where_and_what_can_be_saved_and_that_is_undone(
    store: SessionStore, show: Show
) -> None:
    from playwright.sync_api import expect

    store.create("torn", title="Torn", messages=talk(*[f"text {n}" for n in range(30)]))
    path = Path(store.path("torn"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with show() as opened:
        page = opened.page
        expect(page.locator(".line.broken")).to_contain_text("Cannot be read, line")
        page.locator(".line.broken").click()
        expect(page.locator(".fault pre .bad")).to_be_visible()
        expect(page.locator(".fault")).to_contain_text(str(path))
        page.get_by_role("button", name="Save what can be read").click()
        expect(page.locator("a.line")).to_have_count(2)
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("a.line")).to_have_count(1)
    assert path.read_bytes() == whole[: len(whole) * 2 // 3]


# -- taking along --------------------------------------------------------------------------------

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


def test_an_export_shows_first_what_it_leaves_out(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", title="With a key", messages=talk(f"use {SECRET}", "done"))
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        page.locator("summary", has_text="Acts").click()
        page.get_by_role("button", name="Export…").click()
        rows = page.locator(".secrets tbody tr")
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("[REDACTED:")
        assert SECRET not in page.get_by_role("dialog").inner_text()
        with page.expect_download() as saving:
            page.get_by_role("button", name="Save the file").click()
        assert saving.value.suggested_filename == "With-a-key.md"
        saved = Path(saving.value.path()).read_text("utf-8")
        assert "[REDACTED:" in saved
        assert SECRET not in saved
        page.locator("summary", has_text="Acts").click()
        page.get_by_role("button", name="Export…").click()
        page.get_by_label("Leave out what looks like a secret").uncheck()
        page.get_by_role("button", name="jsonl", exact=True).click()
        with page.expect_download() as saving:
            page.get_by_role("button", name="Save the file").click()
        assert SECRET in Path(saving.value.path()).read_text("utf-8")


def test_what_lies_on_this_machine_is_imported_and_that_is_undone(
    show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playwright.sync_api import expect

    source = Path(__file__).parents[2] / "examples/transcripts/claude/obra-tiny-conversation.jsonl"
    place = tmp_path / "home" / ".claude" / "projects" / "-work-app"
    place.mkdir(parents=True)
    (place / source.name).write_bytes(source.read_bytes())
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    home = {"HOME": str(tmp_path / "home")}
    with running(tmp_path / "s", env=home) as service, show(service) as opened:
        page = opened.page
        expect(page.get_by_text("No sessions yet.")).to_be_visible()
        for key in ("g", "i"):
            page.keyboard.press(key)
        expect(page.locator(".panel li")).to_contain_text("claude-code1 file")
        page.get_by_role("button", name="Import claude-code").focus()
        page.keyboard.press("Enter")
        expect(page.locator("a.line")).to_have_count(1)
        expect(page.locator(".panel li")).to_contain_text("1 session here")
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("Undone: Imported 1 session")).to_be_visible()
        expect(page.locator("a.line")).to_have_count(0)
        with SessionStore(service.folder) as store:
            assert [len(store.list()), len(store.trash())] == [0, 1]


def test_a_fork_is_compared_with_its_origin(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", title="Origin", messages=talk("one", "two", "three"))
    store.fork("a", at="m1", new_id="b")
    store.append("b", {"role": "user", "content": "another way"})
    for number in (1, 2):
        store.save_checkpoint("b", {"step": number, "kept": True})
    with show() as opened:
        page = opened.page
        opened.go("/s/b")
        expect(page.get_by_text("From a")).to_be_visible()
        page.locator("summary", has_text="Acts").click()
        page.get_by_role("button", name="Compare…").click()
        page.get_by_role("button", name="Compare", exact=True).click()
        lines = page.locator(".difference li")
        expect(lines).to_have_text(["2 messages the same", "user: three", "user: another way"])
        page.get_by_role("button", name="Compare checkpoints").click()
        expect(lines).to_have_text(["/step 1 2"])


def test_runs_and_agents_are_told_by_the_clock_and_lead_to_their_messages(
    store: SessionStore, show: Show
) -> None:
    from playwright.sync_api import expect

    made = Session(session_id="a", title="Many hands")
    for number, (agent, status) in enumerate((("coder", "COMPLETED"), ("reviewer", "ERROR"))):
        made.runs.append({"run_id": f"r{number}", "agent_id": agent, "status": status})
        for minute in range(20):
            at = f"2026-01-01T1{number}:{minute:02}:00Z"
            text = f"{agent} {minute} " + "word " * 100
            who: dict[str, Any] = {"role": "assistant", "run_id": f"r{number}"}
            made.messages.append({**who, "content": text, "created_at": at})
    store.save(made)
    helper = Session(session_id="h", title="Helper", messages=talk("y"))
    helper.source = {"parent": {"session_id": "a"}}
    store.save(helper)
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        page.locator(".lanes summary").click()
        expect(page.locator(".lanes .name")).to_have_text(["coder", "reviewer", "Helper"])
        expect(page.locator(".lanes button.bad")).to_have_count(1)
        page.get_by_role("button", name="Run of reviewer, error").click()
        expect(page.get_by_label("Message 21, Assistant")).to_be_in_viewport()
        page.locator(".reader .scroll").evaluate("(box) => { box.scrollTop = 0; }")
        page.get_by_role("button", name="Helper: 1 message").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Helper")


def test_the_days_of_work_are_a_chart_that_leads_to_their_sessions(
    store: SessionStore, show: Show
) -> None:
    from playwright.sync_api import expect

    now = datetime.now(UTC)
    for name, days in (("a", 0), ("b", 3), ("c", 3), ("old", 200)):
        active = now - timedelta(days=days)
        store.save(Session(session_id=name, messages=talk("x", "y"), last_activity=active))
    with show() as opened:
        page = opened.page
        caption = "90 days · 3 sessions by the day of their last activity · 6 messages (sum)"
        expect(page.locator("figcaption")).to_have_text(caption)
        day = (now - timedelta(days=3)).strftime("%Y-%m-%d")
        page.get_by_role("button", name=f"{day}: 2 sessions, 4 messages").click()
        expect(page.locator("a.line")).to_have_count(2)


def test_sub_agents_are_folded_under_their_session(store: SessionStore, show: Show) -> None:
    from playwright.sync_api import expect

    store.create("a", title="Lead", messages=talk("x"))
    for name in ("helper1", "helper2"):
        made = Session(session_id=name, title=f"Helper {name}", messages=talk("y"))
        made.source = {"parent": {"session_id": "a"}}
        store.save(made)
    with show() as opened:
        page = opened.page
        expect(page.locator("a.line")).to_have_count(1)
        opened.go("/s/a")
        page.locator(".related summary").click()
        page.get_by_role("link", name="Helper helper1").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Helper helper1")
        page.get_by_role("link", name="a", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Lead")


def test_the_timeline_and_the_tokens_lead_to_their_messages(
    store: SessionStore, show: Show
) -> None:
    from playwright.sync_api import expect

    messages: list[dict[str, Any]] = [
        {
            "role": "assistant" if n % 2 else "user",
            "content": f"text {n} " + "word " * 200,
            "created_at": f"2026-01-01T10:{n:02}:00Z",
            **({"usage": {"input_tokens": 10 * n, "output_tokens": 2}} if n % 2 else {}),
        }
        for n in range(40)
    ]
    store.create("a", messages=messages)
    with show() as opened:
        page = opened.page
        opened.go("/s/a")
        page.locator(".tokens summary").click()
        expect(page.locator(".tokens summary")).to_contain_text("context 390 (peak)")
        expect(page.locator(".tokens summary")).to_contain_text("written 40 (sum)")
        expect(page.locator(".tokens summary")).not_to_contain_text("cost")
        page.get_by_role("button", name="Message 40: context 390").click()
        expect(page.get_by_label("Message 40, Assistant")).to_be_in_viewport()
        page.locator(".reader .scroll").evaluate("(box) => { box.scrollTop = 0; }")
        page.get_by_label("Timeline").locator("button").nth(20).click()
        expect(page.get_by_label("Message 1, You")).not_to_be_in_viewport()


def test_the_keys_are_those_of_the_session_that_is_read_now(
    store: SessionStore, show: Show
) -> None:
    from playwright.sync_api import expect

    for name in ("a", "b"):
        store.create(name, title=f"Session {name}", messages=talk("x", "y"))
    with show() as opened:
        page = opened.page
        for name in ("a", "b", "a"):
            opened.go(f"/s/{name}")
            expect(page.get_by_role("heading", level=1)).to_have_text(f"Session {name}")
            page.keyboard.press("f")
            expect(page.locator(".find")).to_be_visible()
            page.keyboard.press("Escape")
        page.keyboard.press("b")
        expect(told(page)).to_contain_text("Pinned")
    assert [store.load(name).pinned for name in ("a", "b")] == [True, False]
