"""``watch``: real processes that watch while the tests change things."""

from __future__ import annotations

import array
import errno
import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import needs
import pytest
from killing import interrupt
from patience import replace

from localsessions import SessionChange
from localsessions.cli.watching import ChangeLines

from .conftest import interruptible, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .conftest import Cli

    Answers = Mapping[str, str | signal.Signals | Callable[[], str]]

STYLE = re.compile(r"\x1b\[[0-9;]*m")
HELLO = '{"messages": [{"role": "user", "content": "hello"}]}'


class Watching:
    """A process that watches."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.stdout = process.stdout
        self.stderr = process.stderr
        self.greeting = text_of(self.stderr.readline())

    def line(self) -> str:
        """Wait for a line and return it, without what fills the columns."""
        return re.sub(r"\t+", "  ", text_of(self.stdout.readline()).rstrip())

    def document(self) -> Any:
        return json.loads(self.stdout.readline())["items"][0]

    def end(self, how: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
        """Send a signal; return the exit code and what was not read yet of both streams."""
        if how is signal.SIGINT:
            interrupt(self.process)
        else:
            self.process.send_signal(how)
        shown, noted = map(text_of, self.process.communicate(timeout=120))
        return self.process.returncode, shown, noted


@contextmanager
def watching(cli: Cli, *arguments: str, before: str = "") -> Iterator[Watching]:
    """Watch from now on; ``before`` is code that the process runs first."""
    with subprocess.Popen(
        interruptible("watch", *arguments, before=before),
        # On Windows a pipe takes what the code page has, which is not all that the tests write.
        env={**os.environ, **cli.env, "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield Watching(process)
        finally:
            process.kill()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def put(cli: Cli, session_id: str, text: str) -> None:
    """Write a file as another program does, in one step: a half of it would be a change too."""
    cli.folder.mkdir(exist_ok=True)
    temp = cli.folder / ".half-written"
    temp.write_text(text, encoding="utf-8")
    replace(temp, cli.folder / f"{session_id}.json")


def numbers(cli: Cli, since: int) -> list[int]:
    with cli.store() as store:
        return [change.number for change in store.changes(since, fresh=True)]


def last_change(cli: Cli) -> int:
    with cli.store() as store:
        return store.last_change()


# lines


def test_each_change_is_a_line_as_it_happens(cli: Cli) -> None:
    cli.add("a", title="First")
    with watching(cli) as watch:
        with cli.store() as store:
            store.append("a", *[{"role": "user", "content": "x"}] * 3)
            first = watch.line()
        put(cli, "b", HELLO)
        second = watch.line()
        (cli.folder / "a.json").unlink()
        third = watch.line()
    instant = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]+Z  ")
    assert all(instant.match(line) for line in (first, second, third))
    assert [instant.sub("", line) for line in (first, second, third)] == [
        "modified  a  another store  messages 1-3",
        'created  b  another program  message 1, title "hello"',
        "deleted  a  another program",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n "messages": [', "unreadable  s  another program  line 2, column 15: the file ends"),
        ('{"title": "T"}', "modified  s  another program  0 instead of 1 messages"),
        (
            '{"title": "T", "messages": [{"role": "system"}]}',
            "modified  s  another program  contents",
        ),
        ('{"messages": [{"role": "user"}]}', "modified  s  another program  no title"),
        (
            '{"title": "T", "messages": [{"role": "user"}, {"role": "user"}], "user_id": "ann"}',
            'modified  s  another program  message 2, user id "ann"',
        ),
        (
            '{"title": "T", "messages": [{"role": "user"}], "pinned": true, "tags": ["x", "y"]}',
            'modified  s  another program  pinned, tags ["x", "y"]',
        ),
    ],
    ids=["unreadable", "fewer messages", "inside", "less", "more", "kinds"],
)
def test_a_line_says_what_is_different(cli: Cli, text: str, said: str) -> None:
    put(cli, "s", '{"title": "T", "messages": [{"role": "user"}]}')
    with watching(cli, "s") as watch:
        put(cli, "s", text)
        assert watch.line().partition("Z  ")[2].startswith(said)


def test_a_file_that_is_readable_again_is_said_to_be(cli: Cli) -> None:
    put(cli, "s", "{")
    with watching(cli) as watch:
        put(cli, "s", HELLO)
        assert '  readable  s  another program  message 1, title "hello"' in watch.line()


def test_a_flag_that_is_taken_away_is_said_to_be(cli: Cli) -> None:
    put(cli, "s", '{"pinned": true}')
    with watching(cli) as watch:
        put(cli, "s", '{"pinned": false}')
        assert watch.line().endswith("  not pinned")


def test_the_columns_are_steady_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("localsessions.cli.watching.is_fitted", lambda: True)
    lines = ChangeLines(None)
    for session_id in ("a", "x" * 29, "b"):
        change = SessionChange(1, session_id, "created", "external", datetime.now(UTC))
        lines.emit(change)
    shown = capsys.readouterr().out.splitlines()
    assert {line.index("another program") for line in shown} == {65}


def test_in_a_pipe_there_are_no_columns_but_tabs(cli: Cli) -> None:
    cli.folder.mkdir()
    with watching(cli) as watch:
        put(cli, "a", HELLO)
        cells = watch.stdout.readline().decode().rstrip("\n").split("\t")
    assert cells[1:] == ["created", "a", "another program", 'message 1, title "hello"']


def test_what_others_wrote_reaches_no_terminal_raw(cli: Cli) -> None:
    cli.folder.mkdir()
    with watching(cli) as watch, watching(cli, "--json") as other:
        put(cli, "s", r'{"title": "a\u001b[31m\nb\u2028", "messages": []}')
        line, document = watch.line(), other.stdout.readline()
        put(cli, "s", '{"messages": [], "\x1b[31m": }')
        fault = watch.line()
    assert line.endswith(r'title "a\u001b[31m\nb\u2028"')
    assert "\x1b" not in line + fault
    assert b"\x1b" not in document
    assert json.loads(document)["items"][0]["changed"]["title"] == [None, "a\x1b[31m\nb\u2028"]


def test_a_long_title_is_cut_and_a_lone_surrogate_is_spelled_out(cli: Cli) -> None:
    cli.folder.mkdir()
    with watching(cli) as watch, watching(cli, "--json") as other:
        put(cli, "s", r'{"title": "\ud800' + "x" * 500 + '", "messages": []}')
        assert watch.line().endswith(f'title "\\ud800{"x" * 78}…"')
        assert other.document()["changed"]["title"] == [None, "\ud800" + "x" * 500]


# --json and --since


def test_json_is_a_document_a_line_with_every_field(cli: Cli) -> None:
    cli.add("s")
    with watching(cli, "--json") as watch:
        with cli.store() as store:
            store.append("s", {"role": "user", "content": "hello"})
            first = watch.document()
        put(cli, "s", "{")
        second = watch.document()
    names = [item.name for item in fields(SessionChange)]
    assert list(first) == list(second) == [*names, "new_messages"]
    assert first["changed"] == {"title": ["", "hello"], "message_count": [0, 1]}
    assert (first["kind"], first["origin"], first["unreadable"]) == (
        *("modified", "another store"),
        None,
    )
    assert first["new_messages"] == [0, 1]
    assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}\.[0-9]+Z", first["seen_at"])
    assert second["unreadable"] == {
        "reason": "the file ends in the middle, as after a torn write",
        "line": 1,
        "column": 2,
    }
    assert (second["kind"], second["new_messages"]) == ("unreadable", None)


def test_a_script_goes_on_where_it_stopped(cli: Cli) -> None:
    cli.add("s")
    begun = last_change(cli)
    for title in ("one", "two", "three"):
        cli("rename", "s", title)
    expected = numbers(cli, begun)
    with watching(cli, "--json", "--since", str(begun)) as watch:
        first = watch.document()["number"]
    with watching(cli, "--json", "--since", str(first)) as watch:
        rest = [watch.document()["number"] for _ in range(2)]
    assert [first, *rest] == expected


def test_the_number_is_said_at_the_beginning_and_at_the_end(cli: Cli) -> None:
    cli.add("s")
    begun = last_change(cli)
    with cli.store() as store:
        for title in ("one", "two"):
            store.rename("s", title)
    first, ended = numbers(cli, begun)
    with watching(cli, "--since", str(begun)) as watch:
        for _ in range(2):
            watch.line()
        code, _, noted = watch.end()
    assert watch.greeting == f"watching {cli.folder}: changes after {begun}; Ctrl-C ends\n"
    assert code == 130
    # Ctrl-C may come when a line is written and not counted yet; then it is shown again.
    assert noted in {
        f"\nwatched up to {number}; --since {number} goes on from there\n"
        for number in (first, ended)
    }


def test_a_number_that_is_not_known_ends_with_3_and_the_remedy(cli: Cli) -> None:
    cli.add("s")
    result = cli("watch", "--since", "5")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("error: what happened since 5 is not known: ")
    assert result.stderr.endswith("; look at 'list' again and watch without --since\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("number", ["x", "-1", ""])
def test_what_is_no_number_is_misuse(cli: Cli, number: str) -> None:
    cli.add("s")
    assert cli("watch", "--since", number).exit_code == 2


def test_only_the_session_that_is_named_is_shown(cli: Cli) -> None:
    cli.add("a", title="First")
    cli.add("b")
    with watching(cli, "--json", "First") as watch:
        cli("pin", "b")
        cli("pin", "a")
        assert watch.document()["session_id"] == "a"


def test_the_changes_of_others_count_where_only_one_session_is_shown(cli: Cli) -> None:
    cli.add("a")
    cli.add("b")
    begun = last_change(cli)
    cli("pin", "b")
    ended = f"--since {last_change(cli)} "

    patience = itertools.count()

    def has_come_so_far() -> bool:
        with watching(cli, "a", "--since", str(begun)) as watch:
            time.sleep(0.1 * next(patience))  # of what is not shown nothing can be waited for
            return ended in watch.end()[2]

    until(has_come_so_far)


def test_a_session_that_is_not_there_ends_with_3(cli: Cli) -> None:
    cli.add("s")
    result = cli("watch", "nothing")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "there is no session 'nothing'" in result.stderr


# what goes wrong


def test_a_lost_index_is_said_and_the_watching_goes_on(cli: Cli) -> None:
    cli.add("s")
    with ThreadPoolExecutor(1) as reading, watching(cli) as watch:
        assert cli("reindex").exit_code == 0
        warned = text_of(watch.stderr.readline())
        line, number = reading.submit(watch.line), 0
        while not wait([line], timeout=0.2).done:
            cli("rename", "s", f"T{number}")
            number += 1
            assert number < 100
        assert 'title "T' in line.result()
    assert warned == "warning: some changes are not known: look at 'list' again; watching goes on\n"


def test_where_there_are_no_events_it_polls_and_says_why(cli: Cli) -> None:
    cli.add("s")
    fail = (
        "import localsessions._local.watcher as watcher\n"
        f"def fail(*_): raise OSError({errno.EMFILE}, 'Too many open files')\n"
        "watcher._open = fail\n"
    )
    with watching(cli, before=fail) as watch:
        warned = text_of(watch.stderr.readline())
        put(cli, "t", HELLO)
        assert "  created  t  another program  " in watch.line()
    why = "no inotify instance" if needs.is_here("inotify") else "[Errno "
    assert warned.startswith(f"warning: cannot watch {cli.folder}: {why}")
    assert warned.endswith("; polling instead\n")


@pytest.mark.needs("poll")
def test_a_reader_that_goes_away_ends_it_although_nothing_happens(cli: Cli) -> None:
    cli.add("s")
    with watching(cli) as watch:
        cli("pin", "s")
        watch.line()
        watch.stdout.close()
        assert watch.stderr.read() == b""
        assert watch.process.wait(120) == 141


def test_a_reader_that_goes_away_is_noticed_while_changes_come(cli: Cli) -> None:
    cli.add("s")
    begun = last_change(cli)
    cli("pin", "s")
    with watching(cli, "--since", str(begun)) as watch:
        watch.stdout.close()
        assert watch.process.wait(120) == 141


def test_a_closed_output_is_no_error(cli: Cli) -> None:
    cli.add("s")
    before = "import localsessions.cli.watching as w; w._PATIENCE = 0.001; sys.stdout = None"
    with watching(cli, before=before) as watch:
        cli("pin", "s")
        code, _, noted = watch.end()
    assert code == 130
    assert noted.startswith("\nwatched up to ")


# the end


def test_ctrl_c_at_once_says_where_to_go_on_from(cli: Cli) -> None:
    cli.add("s")
    before = (
        "import localsessions.cli.watching as w\n"
        "def note(line, write=w.note):\n"
        "    write(line)\n"
        "    if line.startswith('watching'): raise KeyboardInterrupt\n"
        "w.note = note\n"
    )
    with watching(cli, before=before) as watch:
        assert watch.process.wait(120) == 130
        assert re.match(r"\nwatched up to [0-9]+; ", text_of(watch.stderr.read()))


@pytest.mark.needs("terminals")
def test_ctrl_c_on_a_terminal_ends_with_130_and_a_short_message(cli: Cli) -> None:
    cli.add("s", title="T")

    def break_it() -> str:
        put(cli, "s", "{")
        return ""

    answers: Answers = {"Ctrl-C ends": break_it, "torn write": signal.SIGINT}
    code, shown = cli.terminal("watch", answers=answers, columns=200)
    assert code == 130
    greeting, line, *end = shown.splitlines()
    assert greeting.startswith("watching ")
    assert re.fullmatch(
        r".{19}Z  \x1b\[31m\x1b\[1munreadable\x1b\[0m  \x1b\[1ms\x1b\[0m {28}  another program  "
        r"line 1, column 2: the file ends in the middle, as after a torn write",
        line,
    )
    assert end[0] == ""
    assert end[1].startswith("watched up to ")
    assert len(end) == 2


@pytest.mark.needs("terminals")
def test_no_color_is_heard(cli: Cli) -> None:
    cli.add("s")

    def pin() -> str:
        cli("pin", "s")
        return ""

    answers: Answers = {"Ctrl-C ends": pin, "pinned": signal.SIGINT}
    code, shown = cli.terminal("watch", answers=answers, env={"NO_COLOR": "1"}, columns=200)
    assert code == 130
    assert "  another store    pinned\n" in shown
    assert not STYLE.search(shown)


def test_ctrl_c_leaves_no_thread(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localsessions.cli.watching._PATIENCE", 0.001)
    cli.add("s")
    before = set(threading.enumerate())

    def interrupt() -> None:
        until(lambda: any(one.name == "localsessions-feed" for one in threading.enumerate()))
        cli("pin", "s")
        signal.raise_signal(signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    before.add(interrupter)
    interrupter.start()
    assert cli("watch").exit_code == 130
    interrupter.join()
    assert set(threading.enumerate()) <= before


@pytest.mark.needs("terminals")
@pytest.mark.parametrize(
    "before", ["", "import localsessions.cli.watching as w; w._MOST_WAITING = 1"]
)
def test_ctrl_c_ends_it_although_nobody_reads(cli: Cli, before: str) -> None:
    cli.add("s")
    begun = last_change(cli)
    with cli.store() as store:
        for number in range(400):
            store.rename("s", f"{number} {'x' * 200}")
    with watching(cli, "--json", "--since", str(begun), before=before) as watch:
        until(lambda: _is_full(watch.stdout.fileno()))
        code, shown, noted = watch.end()
    assert code == 130
    expected = numbers(cli, begun)
    told = [json.loads(line)["items"][0]["number"] for line in shown.splitlines()[:-1]]
    assert told == expected[: len(told)]
    assert "watched up to " in noted


def _is_full(descriptor: int) -> bool:
    """Tell whether a pipe has much in it, and no more comes."""
    before = _unread_bytes(descriptor)
    time.sleep(0.2)
    return 50_000 < before == _unread_bytes(descriptor)


def _unread_bytes(descriptor: int) -> int:
    import fcntl
    import termios

    found = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, found)
    return found[0]


def test_with_little_room_nothing_is_lost(cli: Cli) -> None:
    cli.add("s")
    begun = last_change(cli)
    with cli.store() as store:
        for number in range(50):
            store.rename("s", f"Title {number}")
    before = "import localsessions.cli.watching as w; w._MOST_WAITING = 1"
    with watching(cli, "--json", "--since", str(begun), before=before) as watch:
        told = [watch.document()["number"] for _ in range(50)]
    assert told == numbers(cli, begun)


@pytest.mark.needs("signals")
def test_sigterm_ends_it_as_any_program(cli: Cli) -> None:
    cli.add("s")
    with watching(cli) as watch:
        assert watch.end(signal.SIGTERM)[0] == -signal.SIGTERM
