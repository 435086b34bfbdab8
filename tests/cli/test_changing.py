"""``new``, ``append``, ``rename``, ``tag``, ``pin``, ``archive``, ``fork``."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from localsessions import SessionSummary

if TYPE_CHECKING:
    from localsessions import Session

    from .conftest import Cli


def load(cli: Cli, session_id: str) -> Session:
    with cli.store() as store:
        return store.load(session_id)


def test_new_makes_the_folder_and_prints_the_id_alone(cli: Cli) -> None:
    result = cli("new")
    assert (result.exit_code, result.stderr) == (0, "")
    assert load(cli, result.stdout.removesuffix("\n")).title is None


def test_new_takes_what_a_session_has(cli: Cli) -> None:
    cli("new", "--id", "s", "--title", "T", "--user", "ann", "--agent", "coder", "--ttl", "12h")
    session = load(cli, "s")
    assert (session.title, session.user_id, session.agent_id) == ("T", "ann", "coder")
    assert json.dumps(session.ttl) == "43200"
    assert session.expires_at == session.created_at + timedelta(hours=12)


def test_a_time_to_live_may_have_a_fraction(cli: Cli) -> None:
    cli("new", "--id", "s", "--ttl", "0.5s")
    assert load(cli, "s").ttl == 0.5


@pytest.mark.parametrize("ttl", ["12", "h", "-1h", "nan", "1e3s", "999999999999w"])
def test_an_age_that_is_none_is_refused(cli: Cli, ttl: str) -> None:
    result = cli("new", f"--ttl={ttl}")
    assert result.exit_code == 2
    assert "give a number with a unit" in result.stderr
    assert not cli.folder.exists()


def test_new_as_json_is_a_summary(cli: Cli) -> None:
    summary = SessionSummary.model_validate(cli.item("new", "--id", "s"))
    assert summary.size_bytes == (cli.folder / "s.json").stat().st_size


def test_an_id_that_is_taken_ends_with_4(cli: Cli) -> None:
    cli.add("s")
    result = cli("new", "--id", "s")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "is there already" in result.stderr


@pytest.mark.parametrize("session_id", ["a/b", "..", "x" * 300, "\x1b"])
def test_an_id_that_no_file_can_have_ends_with_2(cli: Cli, session_id: str) -> None:
    result = cli("new", "--id", session_id)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: the id ")


def test_append_takes_the_text_and_prints_the_message_id(cli: Cli) -> None:
    cli.add("s")
    result = cli("append", "s", "--role", "tool", "--name", "ls", "a.txt")
    (message,) = load(cli, "s").messages
    assert result.stdout == f"{message['id']}\n"
    assert (message["role"], message["name"], message["content"]) == ("tool", "ls", "a.txt")


@pytest.mark.parametrize("arguments", [["-"], []])
@pytest.mark.parametrize(
    ("typed", "stored"), [("a\nb\n", "a\nb"), ("Привет", "Привет"), ("a\r\n", "a")]
)
def test_append_reads_standard_input(
    cli: Cli, arguments: list[str], typed: str, stored: str
) -> None:
    cli.add("s")
    cli("append", "s", "--role", "user", *arguments, input=typed.encode())
    assert [message["content"] for message in load(cli, "s").messages] == [stored]


def test_append_of_nothing_is_refused(cli: Cli) -> None:
    cli.add("s")
    result = cli("append", "s", "--role", "user", input="")
    assert result.exit_code == 2
    assert "nothing to append" in result.stderr


def test_append_of_what_is_no_utf_8_is_refused_with_the_place(cli: Cli) -> None:
    cli.add("s")
    result = cli("append", "s", "--role", "user", "-", input=b"abc\xff")
    assert (result.exit_code, result.stderr) == (2, "error: standard input is not UTF-8 (byte 3)\n")
    assert load(cli, "s").messages == []


def test_append_as_json_has_the_messages_as_they_are_stored(cli: Cli) -> None:
    cli.add("s")
    document = cli.json("append", "s", "--role", "user", "text")
    assert document == {
        "version": 1,
        "command": "append",
        "items": load(cli, "s").messages,
        "session_id": "s",
    }


def test_append_creates_no_session(cli: Cli) -> None:
    cli.add("s")
    assert cli("append", "other", "--role", "user", "text").exit_code == 3


def test_rename_sets_and_clears_the_title(cli: Cli) -> None:
    cli.add("s", "words")
    result = cli("rename", "s", "New")
    assert (result.stdout, result.stderr) == ("", "s: title: New\n")
    assert load(cli, "s").title == "New"
    assert cli.item("rename", "s", "--clear")["title"] == "words"
    assert load(cli, "s").title is None


@pytest.mark.parametrize("arguments", [[], ["T", "--clear"], [""]])
def test_rename_wants_either_a_title_or_clear(cli: Cli, arguments: list[str]) -> None:
    assert cli("rename", "s", *arguments).exit_code == 2


def test_tag_adds_and_removes(cli: Cli) -> None:
    cli.add("s")
    assert cli("tag", "s", "+a", "+b").stderr == "s: tags: a, b\n"
    assert cli.item("tag", "s", "+c", "--remove", "a")["tags"] == ["b", "c"]
    assert cli("tag", "s", "-r", "b", "-r", "c").stderr == "s: tags: none\n"


@pytest.mark.parametrize("arguments", [[], [""]])
def test_tag_wants_a_tag(cli: Cli, arguments: list[str]) -> None:
    assert cli("tag", "s", *arguments).exit_code == 2


def test_pin_and_archive_go_on_and_off(cli: Cli) -> None:
    cli.add("s")
    assert cli("pin", "s").stderr == "s: pinned\n"
    assert cli("pin", "s", "--off").stderr == "s: no longer pinned\n"
    assert cli.item("archive", "s")["status"] == "archived"
    assert cli("archive", "s", "--off").stderr == "s: status: active\n"


@pytest.mark.parametrize(("at", "count"), [([], 3), (["--at", "2"], 2), (["--at", "last"], 3)])
def test_fork_takes_the_messages_up_to_a_number_or_an_id(
    cli: Cli, at: list[str], count: int
) -> None:
    cli.add("s", "one", "two")
    with cli.store() as store:
        store.append("s", {"role": "user", "content": "three", "id": "last"})
    result = cli("fork", "s", *at)
    assert len(load(cli, result.stdout.strip()).messages) == count


def test_fork_prefers_a_message_with_that_id_to_a_number(cli: Cli) -> None:
    cli.add("s", "one")
    with cli.store() as store:
        store.append("s", {"role": "user", "content": "two", "id": "1"})
    assert cli.item("fork", "s", "--at", "1", "--id", "f")["message_count"] == 2


@pytest.mark.parametrize("at", ["0", "3", "99999999999999999999", "nobody", "²"])
def test_fork_at_a_message_that_is_not_there_ends_with_3(cli: Cli, at: str) -> None:
    cli.add("s", "one", "two")
    result = cli("fork", "s", "--at", at)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("error: session 's' has ")
