"""The picker: what its keys do, what it draws, and what it survives."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt
from textual.app import App
from textual.dom import DOMNode
from textual.message_pump import MessagePump

from localsessions import SearchGivenUpError, Session, SessionStore
from localsessions.cli.picker.app import Picker
from localsessions.cli.picker.keys import KEYS, READING
from localsessions.cli.picker.listed import Asked
from localsessions.cli.picker.pane import TextPane
from localsessions.cli.picker.reader import Reader

from .picking import CONTROL, Picked, pick

if TYPE_CHECKING:
    from .conftest import Cli


@pytest.fixture
def three(cli: Cli) -> Cli:
    """A folder of three sessions, the last one the last active."""
    cli.add("one", "how is the parser made", title="The parser")
    cli.add("two", "where is the race condition", title="The race")
    cli.add("three", "hello", title="A greeting")
    with cli.store() as store:
        store.tag("three", "work")
    return cli


def stored(cli: Cli, session_id: str = "three") -> Session:
    with cli.store() as store:
        return store.load(session_id)


def imported(session_id: str, title: str, **source: Any) -> Session:
    return Session(
        session_id=session_id,
        title=title,
        source={"session_id": session_id, **source},
        messages=[{"role": "user", "content": "hello"}],
    )


# -- finding -------------------------------------------------------------------------------------


def test_the_newest_are_listed_the_title_first(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        first, second, third = picked.lines[1:4]
        assert first.startswith("A greeting")
        assert "just now" in first
        assert first.rstrip().endswith("three")
        assert second.startswith("The race")
        assert third.startswith("The parser")
        assert picked.note == "3 sessions"

    pick(three, play)


def test_it_searches_while_one_types_also_for_half_a_word(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.type("race cond")
        await picked.until(lambda: picked.titles == ["The race"])
        assert "where is the race condition" in picked.lines[2]
        assert picked.note == "found 1 session"
        await picked.type("xyzzy")
        await picked.says("nothing found")
        await picked.press("ctrl+u")
        await picked.until(lambda: len(picked.titles) == 3)
        assert picked.note == "3 sessions"

    pick(three, play)


def test_the_hit_is_marked(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.press("down")
        await picked.type("conditi")
        await picked.says("found 1")
        await picked.type("on")
        await picked.says("found 1")
        line = picked.app.screen._compositor.render_strips()[2]
        marked = [one.text for one in line if one.style and one.style.bold]
        assert marked == ["condition"]

    pick(three, play)


def test_an_older_question_is_given_up(three: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    search, given_up = SessionStore.search, threading.Event()

    def slow(store: SessionStore, text: str, **options: Any) -> Any:
        if text == "r":
            while options["is_wanted"]():
                pass
            given_up.set()
        return search(store, text, **options)

    monkeypatch.setattr(SessionStore, "search", slow)

    async def play(picked: Picked) -> None:
        await picked.press("r")
        await picked.pilot.pause(0.1)
        await picked.type("ace")
        await picked.until(lambda: picked.titles == ["The race"])
        assert given_up.wait(10)

    pick(three, play)


def test_what_a_first_letter_would_wait_for_is_done_before_it(three: Cli) -> None:
    texts = Path(three.folder) / ".localsessions" / "search.sqlite3"

    def is_ready() -> bool:
        if not texts.exists():
            return False
        with closing(sqlite3.connect(texts)) as db:
            try:
                return bool(db.execute("SELECT learned FROM sealed").fetchone() == (1,))
            except sqlite3.OperationalError:  # its tables are being made
                return False

    async def play(picked: Picked) -> None:
        await picked.until(is_ready)

    pick(three, play)


def test_getting_ready_is_given_up_at_the_end(three: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, given_up = threading.Event(), threading.Event()

    def slow(store: SessionStore, text: str, **options: Any) -> Any:
        begun.set()
        while options["is_wanted"]():
            pass
        given_up.set()
        raise SearchGivenUpError

    monkeypatch.setattr(SessionStore, "search", slow)

    async def play(picked: Picked) -> None:
        await picked.until(begun.is_set)

    pick(three, play)
    assert given_up.is_set()


def test_no_private_name_of_textual_is_taken() -> None:
    class Plain(App[str]):
        """What each app is given by its kind."""

    theirs = {name for one in (App, MessagePump, DOMNode) for name in vars(one)} - {*vars(Plain)}
    for ours in Picker.__mro__[: Picker.__mro__.index(App)]:
        taken = {name for name in vars(ours) if name.startswith("_")} & theirs
        assert {name for name in taken if not name.startswith("__")} == set(), ours


@pytest.mark.parametrize("keys", [("tab", "d"), ("ctrl+r",), ("enter",)], ids=str)
def test_a_key_that_acts_waits_for_what_was_typed(
    three: Cli, keys: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    search, is_answered = SessionStore.search, threading.Event()

    def slow(store: SessionStore, text: str, **options: Any) -> Any:
        assert is_answered.wait(60)
        return search(store, text, **options)

    monkeypatch.setattr(SessionStore, "search", slow)

    async def play(picked: Picked) -> None:
        await picked.press(*"parser", *keys)
        assert len(picked.titles) == 3
        assert picked.note == "3 sessions"
        is_answered.set()
        if keys[-1] == "d":  # no letter acts on what was not asked for
            await picked.until(lambda: picked.lines[0].rstrip() == "> parserd")
            await picked.says("found 1")
        elif keys[-1] == "ctrl+r":
            await picked.says("was made here")
        else:
            await picked.until(lambda: isinstance(picked.app.screen, Reader))
            await picked.until(lambda: "how is the parser made" in "\n".join(picked.lines))

    pick(three, play)
    with three.store() as store:
        assert store.get("three") is not None
        assert store.trash() == []


def test_this_folders_project_comes_first(cli: Cli) -> None:
    with cli.store() as store:
        store.create_many(
            [
                imported("mine", "Of this folder", project="/here"),
                imported("other", "Of another one", project="/there"),
            ]
        )
        store.append("other", {"role": "user", "content": "later"})
    asked = Asked(here="/here")

    async def play(picked: Picked) -> None:
        assert picked.titles == ["Of this folder", "Of another one"]

    pick(cli, play, asked=asked)


def test_a_key_lists_only_what_is_of_the_same_project_or_program(cli: Cli) -> None:
    with cli.store() as store:
        store.create_many(
            [
                imported("a", "A", project="/x", program="codex"),
                imported("b", "B", project="/x", program="claude-code"),
                imported("c", "C", project="/y", program="codex"),
            ]
        )

    async def play(picked: Picked) -> None:
        await picked.press("tab", "home")
        every, (chosen, *_) = picked.titles, picked.titles
        for key, others, said in (
            ("f", {"A": "AB", "B": "AB", "C": "C"}, "only of /"),
            ("s", {"A": "AC", "B": "B", "C": "AC"}, "only from c"),
        ):
            await picked.press(key)
            await picked.says(said)
            assert {*picked.titles} == {*others[chosen]}
            await picked.press(key)
            await picked.until(lambda: picked.titles == every)

    pick(cli, play)


def test_archived_ones_are_listed_at_a_key(three: Cli) -> None:
    with three.store() as store:
        store.archive("two")

    async def play(picked: Picked) -> None:
        assert picked.titles == ["A greeting", "The parser"]
        assert picked.note == "2 sessions, 1 archived one hidden, h shows"
        await picked.press("tab", "h")
        await picked.says("[archived] The race")
        await picked.press("h")
        await picked.until(lambda: len(picked.titles) == 2)

    pick(three, play)


def test_only_what_is_in_view_is_asked_for_and_the_end_is_reached(cli: Cli) -> None:
    with cli.store() as store:
        store.create_many(Session(session_id=f"s{n:03}", title=f"T{n}") for n in range(300))

    async def play(picked: Picked) -> None:
        assert len(picked.titles) == 48
        await picked.press("pagedown", "pagedown", "pagedown", "pagedown")
        await picked.until(lambda: len(picked.titles) == 96)
        await picked.press("tab", "end")
        await picked.until(lambda: picked.list.at == 299)
        await picked.says(picked.titles[-1])
        await picked.press("g")
        await picked.until(lambda: picked.list.at == 0)

    pick(cli, play)


def test_what_others_do_meanwhile_appears_and_the_chosen_one_stays(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.press("down")
        assert picked.chosen == "two"
        three.add("four", "new", title="From elsewhere")
        await picked.until(lambda: picked.titles[0] == "From elsewhere")
        assert picked.chosen == "two"
        with three.store() as store:
            store.delete("two")
        await picked.until(lambda: "The race" not in picked.titles)
        assert picked.chosen == "one"

    pick(three, play)


# -- moving and reading --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        (["down"], 1),
        (["down", "ctrl+n"], 2),
        (["down", "down", "down", "up"], 1),
        (["down", "ctrl+p"], 0),
        (["pagedown"], 2),
        (["pagedown", "pageup"], 0),
        (["tab", "j", "j", "k"], 1),
        (["tab", "G"], 2),
        (["tab", "G", "home"], 0),
    ],
)
def test_keys_move(three: Cli, keys: list[str], at: int) -> None:
    async def play(picked: Picked) -> None:
        await picked.press(*keys)
        await picked.until(lambda: picked.list.at == at)

    pick(three, play)


def test_letters_are_typed_until_tab_goes_to_the_list(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        assert "Tab to the list" in picked.lines[-1]
        await picked.press("tab")
        await picked.says("d delete")
        await picked.press("slash", "q")
        await picked.until(lambda: picked.lines[0].startswith("> q"))
        assert picked.app.is_running

    pick(three, play)


def test_the_last_messages_are_beside_the_list_or_below_it(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.says("hello")
        await picked.press("down")
        await picked.says("where is the race condition")
        await picked.pilot.resize_terminal(140, 30)
        await picked.until(lambda: picked.preview.region.x == 84)
        await picked.pilot.resize_terminal(60, 20)
        await picked.until(lambda: not picked.preview.display)
        await picked.press("ctrl+o")
        await picked.until(lambda: picked.preview.display)
        await picked.says("where is the race")
        await picked.press("tab", "v")
        await picked.until(lambda: not picked.preview.display)

    pick(three, play)


def test_the_preview_of_a_hit_begins_at_its_message(cli: Cli) -> None:
    cli.add("long", *[f"message {n}" for n in range(40)], "the needle", *["more"] * 40)

    async def play(picked: Picked) -> None:
        await picked.type("needle")
        await picked.says("found 1")
        await picked.until(lambda: picked.preview.scroll_offset.y > 0)
        preview = picked.lines[picked.preview.region.y + 1]
        assert "#41  user" in preview

    pick(cli, play)


def test_a_session_is_read_and_left_again(cli: Cli) -> None:
    cli.add("long", *[f"message {n}." for n in range(500)], title="A long one")

    async def play(picked: Picked) -> None:
        await picked.press("enter")
        await picked.says("message 499.")
        await picked.press("g")
        await picked.says("message 0.")
        assert picked.lines[0].rstrip() == "A long one"  # the title stays
        pane = picked.app.screen.query_one(TextPane)
        assert len(pane._strips) < 200, "only what is near is laid out"
        await picked.press("space")
        await picked.until(lambda: "message 0." not in picked.text)
        await picked.press("pageup", "j", "k")
        await picked.says("message 0.")
        while "message 200." not in picked.text:
            await picked.press("pagedown")
        await picked.press("escape")
        await picked.says("1 session")
        assert picked.app.is_running

    pick(cli, play, size=(100, 20))


def test_only_what_is_near_is_parsed_folded_or_whole(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n\n".join(f"line {n}." for n in range(250))
    cli.add("long", *[f"{text} of {n}" for n in range(300)])
    parsed = list[str]()
    parse = MarkdownIt.parse

    def counted(self: MarkdownIt, text: str) -> Any:
        parsed.append(text)
        return parse(self, text)

    monkeypatch.setattr(MarkdownIt, "parse", counted)

    async def play(picked: Picked) -> None:
        await picked.press("ctrl+o", "enter")  # without the preview
        await picked.says("more lines")
        assert len(parsed) < 50
        await picked.press("w")
        await picked.until(lambda: "more lines" not in picked.text)
        assert len(parsed) < 200
        await picked.press("w", "G")
        await picked.says("more lines")

    pick(cli, play)


def test_the_footer_of_a_reader_names_only_what_can_be_done(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.press("enter")
        await picked.says("w whole  Ctrl-R resume  Esc back")
        await picked.press("escape", "f1")
        await picked.says("Esc back")
        assert "resume  Esc" not in picked.lines[-1]
        assert "whole" not in picked.lines[-1]

    pick(three, play)


def test_scrolling_up_reaches_the_beginning_in_order(cli: Cli) -> None:
    cli.add("long", *[f"message {n}." for n in range(100)], title="A long one")

    async def play(picked: Picked) -> None:
        await picked.press("enter")
        await picked.says("message 99.")
        seen = list[int]()
        for _ in range(500):
            numbers = [int(one) for one in re.findall(r"message (\d+)\.", picked.text)]
            seen += numbers[:1] if numbers and seen[-1:] != numbers[:1] else []
            await picked.press("up")
        assert seen == list(range(seen[0], -1, -1))
        assert seen[0] > 85

    pick(cli, play)


def test_the_help_names_every_key(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.press("f1")
        await picked.says("everywhere")
        for key in (*KEYS, *READING):
            assert f"  {key.shown} " in picked.text
            assert key.says in picked.text
        await picked.press("q")
        await picked.press("tab", "question_mark")
        await picked.says("everywhere")

    pick(three, play, size=(100, 60))


def test_every_key_calls_an_act_that_is_there() -> None:
    acts = [getattr(Picker, f"action_{key.act}", None) for key in KEYS]
    acts += [getattr(Reader, f"action_{key.act}", None) for key in READING]
    assert None not in acts


def test_the_docs_name_every_key() -> None:
    text = (Path(__file__).parents[2] / "docs" / "picker.md").read_text("utf-8")
    for key in (*KEYS, *READING):
        assert f"| {key.shown} | {key.says} |" in text


# -- ending --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys", [["escape"], ["ctrl+c"], ["tab", "q"], ["tab", "escape"], ["enter", "ctrl+c"]]
)
def test_it_ends_without_a_session(three: Cli, keys: list[str]) -> None:
    async def play(picked: Picked) -> None:
        await picked.press(*keys)
        await picked.until(lambda: not picked.app.is_running)

    assert pick(three, play) is None


@pytest.mark.parametrize("keys", [["down", "ctrl+r"], ["tab", "j", "r"], ["down", "enter", "r"]])
def test_it_ends_with_the_session_to_go_on_with(three: Cli, keys: list[str]) -> None:
    with three.store() as store, store.edit("two") as session:
        own = "0f0e0d0c-0000-4000-8000-000000000000"
        session.source = {"program": "claude-code", "session_id": own}
        session.last_activity = session.created_at

    async def play(picked: Picked) -> None:
        await picked.press(*keys[:-1])
        if "enter" in keys:
            await picked.says("PgDn")
        await picked.press(keys[-1])
        await picked.until(lambda: not picked.app.is_running)

    assert pick(three, play) == "two"


# -- acts ----------------------------------------------------------------------------------------


def test_a_session_is_deleted_and_comes_back(three: Cli) -> None:
    before = (three.folder / "three.json").read_bytes()

    async def play(picked: Picked) -> None:
        await picked.press("tab", "d")
        await picked.says("deleted; u undoes it")
        await picked.until(lambda: picked.titles == ["The race", "The parser"])
        assert picked.chosen == "two"
        await picked.press("u")
        await picked.says("three: restored")
        await picked.until(lambda: len(picked.titles) == 3)
        await picked.press("u")
        await picked.says("nothing to undo")

    pick(three, play)
    assert (three.folder / "three.json").read_bytes() == before


def test_a_session_is_renamed_and_gets_its_title_back(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.press("tab", "n")
        await picked.says("title: A greeting")
        await picked.press("ctrl+u")
        await picked.type("Good day")
        await picked.press("enter")
        await picked.says("renamed; u undoes it")
        assert stored(three).title == "Good day"
        await picked.until(lambda: "Good day" in picked.titles)
        await picked.press("u")
        await picked.says("three: title as before")

    pick(three, play)
    assert stored(three).title == "A greeting"


def test_a_title_is_removed_and_comes_back(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.press("tab", "f2", "ctrl+u", "enter")
        await picked.says("renamed")
        assert stored(three).title is None
        await picked.until(lambda: "hello" in picked.titles)
        await picked.press("u")
        await picked.says("title as before")

    pick(three, play)
    assert stored(three).title == "A greeting"


@pytest.mark.parametrize("keys", [["n", "enter"], ["n", "x", "escape"], ["t", "x", "escape"]])
def test_an_answer_that_is_the_same_or_left_changes_nothing(three: Cli, keys: list[str]) -> None:
    before = stored(three)

    async def play(picked: Picked) -> None:
        await picked.press("tab", *keys, "j")
        await picked.until(lambda: picked.list.at == 1)

    pick(three, play)
    assert stored(three) == before


def test_tab_stays_in_a_question_and_a_click_beside_gives_it_up(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.press("tab", "n", "tab", "x")
        await picked.says("title: A greetingx")
        assert "Enter take it" in picked.lines[-2]
        await picked.pilot.click("SessionList", offset=(3, 1))
        await picked.until(lambda: picked.list.at == 1)
        assert "title:" not in picked.text
        assert "n name" in picked.lines[-1]
        await picked.press("enter")
        await picked.says("race condition")

    pick(three, play)
    assert stored(three).title == "A greeting"


def test_a_click_below_the_last_session_does_nothing(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.pilot.click("SessionList", offset=(3, 6))
        await picked.pilot.pause()
        assert picked.list.at == 0

    pick(three, play)


def test_a_search_that_finds_only_archived_ones_says_so(three: Cli) -> None:
    with three.store() as store:
        store.archive("two")

    async def play(picked: Picked) -> None:
        await picked.type("race")
        await picked.says("nothing found, 1 archived one hidden, h shows")
        await picked.press("tab", "h")
        await picked.until(lambda: picked.titles == ["The race"])

    pick(three, play)


def test_tags_are_changed_and_come_back(three: Cli) -> None:
    with three.store() as store:
        store.tag("three", "a, b")  # cannot be typed in a list with commas: it stays

    async def play(picked: Picked) -> None:
        await picked.press("tab", "t")
        await picked.says("tags, parted by commas: work")
        await picked.press("ctrl+u")
        await picked.type("home, deep work,")
        await picked.press("enter")
        await picked.says("tags changed")
        assert stored(three).tags == ["a, b", "home", "deep work"]
        await picked.press("u")
        await picked.says("tags as before")

    pick(three, play)
    assert {*stored(three).tags} == {"work", "a, b"}


def test_a_session_is_pinned_and_unpinned(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.press("tab", "p")
        await picked.says("[pinned] A greeting")
        assert stored(three).pinned
        await picked.press("p")
        await picked.says("no longer pinned")
        await picked.press("u")
        await picked.says("pin as before")
        assert stored(three).pinned
        await picked.press("u")
        await picked.until(lambda: not stored(three).pinned)

    pick(three, play)


def test_a_session_is_archived_and_gets_its_own_status_back(three: Cli) -> None:
    with three.store() as store, store.edit("three") as session:
        session.status = "waiting"

    async def play(picked: Picked) -> None:
        await picked.says("[waiting] A greeting")
        await picked.press("tab", "a")
        await picked.until(lambda: "A greeting" not in picked.titles)
        assert stored(three).status == "archived"
        await picked.press("u")
        await picked.says("[waiting] A greeting")

    pick(three, play)
    assert stored(three).status == "waiting"


def test_acts_are_undone_one_by_one_the_last_first(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.press("tab", "p")
        for left in (2, 1, 0):
            await picked.press("d")
            await picked.until(lambda left=left: len(picked.titles) == left)  # type: ignore[misc]
        await picked.press("u", "u", "u", "u")
        await picked.until(lambda: len(picked.titles) == 3)
        await picked.until(lambda: not stored(three).pinned)

    pick(three, play)


def test_an_undo_leaves_what_others_changed_since(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.press("tab", "n")
        await picked.type("!")
        await picked.press("enter")
        await picked.says("renamed")
        with three.store() as store:
            store.rename("three", "By someone else")
        await picked.press("u")
        await picked.says("not undone: the title was changed meanwhile")

    pick(three, play)
    assert stored(three).title == "By someone else"


def test_an_act_that_was_begun_is_done_before_the_end(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        with three.store() as store, store.edit("three"):
            await picked.press("tab", "p", "d", "q")
            await picked.says("finishing the last change")
        await picked.until(lambda: not picked.app.is_running)

    pick(three, play)
    with three.store() as store:
        assert [one.session_id for one in store.list()] == ["two", "one"]
        assert store.restore("three").pinned


def test_an_id_is_copied_and_shown(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.press("tab", "y")
        await picked.says("copied: three")
        assert picked.app.clipboard == "three"

    pick(three, play)


@pytest.mark.needs("terminals")
def test_two_pickers_and_an_editor_lose_nothing(three: Cli) -> None:
    def another() -> None:
        answers = {"A greeting": "\tn!\r", "renamed": "q"}
        assert three.terminal(answers=answers)[0] == 0

    async def play(picked: Picked) -> None:
        other = threading.Thread(target=another)
        with three.store() as store, store.edit("three") as session:
            other.start()
            await picked.press("tab", "p")
            await picked.pilot.pause(1)
            session.metadata["edited"] = True
        await picked.says("[pinned] A greeting!")
        while other.is_alive():
            await picked.pilot.pause(0.05)

    pick(three, play)
    session = stored(three)
    assert (session.title, session.pinned) == ("A greeting!", True)
    assert session.metadata == {"edited": True}
    with three.store() as store:
        assert store.verify() == []


# -- what goes wrong -----------------------------------------------------------------------------


def test_an_unreadable_file_is_marked_said_and_can_be_deleted(three: Cli) -> None:
    three.write("torn", '{"title": "x"')

    async def play(picked: Picked) -> None:
        await picked.until(lambda: picked.chosen == "torn")
        assert picked.lines[1].startswith("unreadable")
        await picked.says("mend it")
        await picked.press("tab", "enter")
        await picked.until(lambda: "torn" in picked.note)
        await picked.press("p")
        await picked.until(lambda: "cannot be read" in picked.note)
        await picked.press("d")
        await picked.until(lambda: "" not in picked.titles)
        await picked.press("u")
        await picked.says("restored; it is unreadable, as it was")

    pick(three, play)
    assert (three.folder / "torn.json").read_text() == '{"title": "x"'


@pytest.mark.parametrize(
    ("key", "said"), [("enter", "no session"), ("d", "was deleted"), ("p", "no sess")]
)
def test_a_session_that_was_deleted_meanwhile_is_a_sentence(
    three: Cli, monkeypatch: pytest.MonkeyPatch, key: str, said: str
) -> None:
    monkeypatch.setattr(Picker, "_changed", lambda _: None)  # it does not look again

    async def play(picked: Picked) -> None:
        with three.store() as store:
            store.delete("three")
        await picked.press("tab", key)
        await picked.until(lambda: said in picked.note)

    pick(three, play)


@pytest.mark.parametrize("key", ["d", "p", "a"])
def test_a_held_lock_is_a_sentence_and_the_act_can_be_done_again(three: Cli, key: str) -> None:
    async def play(picked: Picked) -> None:
        with three.store() as store, store.edit("three"):
            await picked.press("tab", key)
            await picked.until(lambda: "lock" in picked.note or "busy" in picked.note)
        await picked.press(key)
        await picked.says("u undoes it")

    pick(three, play, lock_timeout=0.05)


def test_an_act_that_cannot_be_undone_does_not_stand_in_the_way(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.press("tab", "p")
        await picked.says("pinned; u undoes it")
        await picked.press("j", "d")
        await picked.until(lambda: "deleted; u" in picked.note)
        with three.store() as store:
            store.empty_trash()
        await picked.press("u")
        await picked.says("there is no deleted session")
        await picked.press("u")
        await picked.says("pin as before")

    pick(three, play)
    assert not stored(three).pinned


def test_an_undo_that_a_lock_stopped_can_be_done_again(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.press("tab", "p")
        await picked.says("pinned; u undoes it")
        with three.store() as store, store.edit("three"):
            await picked.press("u")
            await picked.until(lambda: "lock" in picked.note)
        await picked.press("u")
        await picked.says("pin as before")

    pick(three, play, lock_timeout=0.05)


def test_a_folder_that_cannot_be_written_is_read_and_says_why_not(
    three: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(three.folder))

    monkeypatch.setattr(SessionStore, "delete", refuse)
    monkeypatch.setattr(SessionStore, "edit", refuse)

    async def play(picked: Picked) -> None:
        for keys in (["tab", "d"], ["p"], ["a"], ["n", "x", "enter"], ["t", "x", "enter"]):
            await picked.press(*keys)
            await picked.says("you have no permission")
            await picked.press("down", "up")  # what is listed is said again
            await picked.until(lambda: picked.note == "3 sessions")
        await picked.press("enter")
        await picked.says("hello")

    pick(three, play)


def test_a_store_that_cannot_be_opened_is_a_sentence(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.says("durability")
        await picked.press("down", "enter", "tab", "d", "slash", "x")
        await picked.says("durability")

    pick(three, play, durability="never")


# -- nobody's text is trusted --------------------------------------------------------------------

EVIL = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b31m\x00\x08\r\n\x7f[@click=app.leave]x[/] [bold red]y[/] "
    "[link=file:///etc]z[/link] \u202edesrever\u2066 \u2028 \ud800 "
    "\x1b]8;;http://x\x07l\x1b]8;;\x07 "
    "\x1bP+q544e\x1b\\ \x0e\x85"
)
FIELDS = (
    *("title", "user_id", "agent_id", "status", "program", "project", "branch", "tag", "parent"),
    *("role", "content", "name", "tool", "thinking"),
)


def hostile(field: str) -> dict[str, Any]:
    """Return the document of a session in which a field, or each, holds what a terminal obeys."""
    evil = {one: EVIL if field in (one, "all") else f"a {one}" for one in FIELDS}
    message = {
        "role": evil["role"],
        "name": evil["name"],
        "content": [
            {"type": "text", "text": f"needle {evil['content']}"},
            {"type": "thinking", "thinking": evil["thinking"]},
            {"type": "tool_use", "id": "c", "name": evil["tool"], "input": {"x": evil["tool"]}},
        ],
    }
    return {
        "title": evil["title"],
        "user_id": evil["user_id"],
        "agent_id": evil["agent_id"],
        "status": evil["status"] if field in ("status", "all") else "active",
        "tags": [evil["tag"]],
        "source": {one: evil[one] for one in ("program", "project", "branch")},
        "forked_from": {"session_id": evil["parent"]},
        "messages": [message] * 3,
    }


@pytest.mark.parametrize("field", [*FIELDS, "all"])
@pytest.mark.parametrize("size", [(60, 20), (140, 40)])
def test_nothing_that_a_terminal_obeys_is_drawn(
    cli: Cli, field: str, size: tuple[int, int]
) -> None:
    # As other programs write it: a surrogate and a NUL are escapes in JSON.
    cli.write("evil", json.dumps(hostile(field)))
    cli.write("torn", f'{{"title": "{EVIL}'.replace("\ud800", ""))
    drawn: list[str] = []

    async def play(picked: Picked) -> None:
        async def look(*keys: str) -> None:
            await picked.press(*keys)
            await picked.rest()
            drawn.extend(picked.lines)
            for strip in picked.app.screen._compositor.render_strips():
                styles = [one.style for one in strip if one.style is not None]
                assert [one.link for one in styles if one.link] == []
                assert [one.meta for one in styles if "@click" in one.meta] == []

        await look()
        await look("ctrl+o")
        await look("down")
        await look(*"needle")
        await picked.until(lambda: "found" in picked.note)
        await look("enter")
        await look("escape", "ctrl+u", "tab", "n")
        await look("escape", "t")
        for key in ("f", "s", "y", "p", "u", "d", "u", "up", "enter"):
            await look("escape" if key == "f" else "up", key) if key == "f" else await look(key)

    pick(cli, play, size=size)
    assert len(drawn) > 200
    assert [line for line in drawn if CONTROL.search(line)] == []
    assert field in ("name", "tool", "thinking", "user_id") or any("\\x1b" in one for one in drawn)


def test_what_is_pasted_is_cleaned(three: Cli) -> None:
    from textual import events

    async def play(picked: Picked) -> None:
        picked.app.post_message(events.Paste("race\n\x1b[31m\u202e"))
        await picked.says("> race \\x1b[31m\\u202e")
        assert not any(map(CONTROL.search, picked.lines))

    pick(three, play)


# -- sizes and colours ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(20, 6), (60, 20), (80, 24), (99, 50), (100, 24), (250, 80)])
def test_every_line_fits_the_terminal(three: Cli, size: tuple[int, int]) -> None:
    three.add("漢字" * 20, "全角の文字" * 60, title="全角の題" * 40)

    async def play(picked: Picked) -> None:
        from rich.cells import cell_len

        for keys in ([], ["全", "角"], ["enter"]):
            await picked.press(*keys)
            await picked.rest()
            assert {cell_len(line) for line in picked.lines} == {size[0]}
            assert len(picked.lines) == size[1]

    pick(three, play, size=size)


def test_resizing_keeps_the_chosen_one_in_view(cli: Cli) -> None:
    with cli.store() as store:
        store.create_many(Session(session_id=f"s{n}", title=f"Title {n}") for n in range(60))

    async def play(picked: Picked) -> None:
        await picked.press(*["down"] * 25)
        title = picked.titles[25]
        for size in ((140, 40), (60, 20), (80, 24), (40, 8)):
            await picked.pilot.resize_terminal(*size)
            await picked.says(title)

    pick(cli, play)


def test_no_background_is_drawn_but_that_of_the_terminal(three: Cli) -> None:
    async def play(picked: Picked) -> None:
        await picked.type("race")
        await picked.says("found")
        styles = [
            one.style
            for strip in picked.app.screen._compositor.render_strips()
            for one in strip
            if one.style is not None
        ]
        colours = {one.color for one in styles} | {one.bgcolor for one in styles}
        assert {one.is_default or one.number is not None for one in colours if one} == {True}
        # The scrollbar has a colour of its own.
        grounds = {one.bgcolor.name for one in styles if one.bgcolor is not None}
        assert grounds <= {"default", "ansi_blue", "blue"}

    pick(three, play)


def test_without_colour_nothing_has_a_colour(three: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    three.write("torn", "{")

    async def play(picked: Picked) -> None:
        assert picked.app.no_color
        await picked.type("race")
        await picked.says("found")
        for strip in picked.app.screen._compositor.render_strips():
            for line in strip.apply_filter(
                picked.app._filters[-1], picked.app.background_colors[1]
            ):
                assert line.style is None or line.style.color is None or line.style.color.is_default

    pick(three, play)


@pytest.mark.needs("terminals")
def test_letters_that_follow_a_slash_at_once_do_not_act(three: Cli) -> None:
    answers = {"hello": "\t", "undo": "/deploy", "nothing found": "\x03"}
    code, _ = three.terminal(answers=answers)
    assert code == 0
    with three.store() as store:
        assert store.trash() == []
