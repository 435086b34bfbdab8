"""``show --follow``: real processes that follow while the tests write."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from killing import interrupt

from .conftest import interruptible, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Cli


class Following:
    """A process that follows; its notes come with its data, in order."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.process = process
        self.stdout = process.stdout

    def until(self, end: str) -> list[str]:
        """Return the lines up to one that has a text; without times."""
        lines: list[str] = []
        while not lines or end not in lines[-1]:
            line = text_of(self.stdout.readline())
            assert line, lines
            if line.strip():
                lines.append(re.sub(r"  20\S+$", "", line.rstrip()))
        return lines

    def end(self) -> int:
        interrupt(self.process)
        self.process.communicate(timeout=120)
        return self.process.returncode


@contextmanager
def following(cli: Cli, *arguments: str) -> Iterator[Following]:
    with subprocess.Popen(
        interruptible("show", "s", "--follow", *arguments),
        env={**os.environ, **cli.env, "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield Following(process)
        finally:
            process.kill()


def say(cli: Cli, *texts: str) -> None:
    with cli.store() as store:
        store.append("s", *({"role": "user", "content": text} for text in texts))


def test_new_messages_are_printed_as_they_come_until_ctrl_c(cli: Cli) -> None:
    cli.add("s", "one", "two", "three")
    with following(cli, "-n", "1") as follow:
        assert follow.until("Ctrl-C") == ["#3  user", "  three", "following; Ctrl-C ends"]
        say(cli, "four")
        assert follow.until("four") == ["#4  user", "  four"]
        say(cli, "five", "six")
        assert follow.until("six") == ["#5  user", "  five", "#6  user", "  six"]
        assert follow.end() == 130


@pytest.mark.parametrize(
    ("options", "first"), [([], "#2  user"), (["--tail"], "#6  user"), (["--all"], "#1  user")]
)
def test_it_begins_with_the_last_messages(cli: Cli, options: list[str], first: str) -> None:
    cli.add("s", *"abcdef")
    with following(cli, *options) as follow:
        assert follow.until("Ctrl-C")[0] == first


def test_a_session_that_is_deleted_is_followed_when_it_is_back(cli: Cli) -> None:
    cli.add("s", "one")
    with following(cli) as follow:
        follow.until("Ctrl-C")
        with cli.store() as store:
            store.delete("s")
        (line,) = follow.until("deleted")
        assert line == (
            "the session was deleted; 'localsessions restore s' brings it back, and following "
            "goes on"
        )
        with cli.store() as store:
            store.restore("s")
        say(cli, "two")
        assert follow.until("two") == ["#2  user", "  two"]


def test_a_message_that_grows_is_told_once(cli: Cli) -> None:
    cli.add("s", "one", "two")
    with following(cli) as follow:
        follow.until("Ctrl-C")
        for text in ("two and", "two and more", "two and more words"):
            with cli.store() as store, store.edit("s") as session:
                session.messages[1]["content"] = text
        say(cli, "three")
        assert follow.until("three") == [
            *("message 2 changed; --at 2 shows it", "#3  user", "  three"),
        ]


def test_messages_that_go_are_told(cli: Cli) -> None:
    cli.add("s", *"abcd")
    with following(cli) as follow:
        follow.until("Ctrl-C")
        with cli.store() as store, store.edit("s") as session:
            session.messages = session.messages[:2]
        assert follow.until("went") == ["2 messages went; 2 are left"]
        say(cli, "new")
        assert follow.until("new") == ["#3  user", "  new"]


def test_a_file_that_cannot_be_read_is_told_and_followed_on(cli: Cli) -> None:
    cli.add("s", "one")
    path = cli.folder / "s.json"
    whole = path.read_text("utf-8")
    with following(cli) as follow:
        follow.until("Ctrl-C")
        path.write_text("{", encoding="utf-8")
        (line,) = follow.until("cannot be read")
        assert line.startswith("the file cannot be read now: ")
        path.write_text(whole, encoding="utf-8")
        say(cli, "two")
        assert follow.until("two") == ["#2  user", "  two"]


@pytest.mark.parametrize("other", [["--json"], ["--at", "1"], ["--save-images", "x"]])
def test_what_does_not_go_with_it_is_refused(cli: Cli, other: list[str]) -> None:
    cli.add("s", "one")
    result = cli("show", "s", "--follow", *other)
    assert result.exit_code == 2
    assert f"--follow and {other[0]} exclude each other" in result.stderr
