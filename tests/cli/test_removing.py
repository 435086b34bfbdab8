"""``delete``, ``restore`` and ``cleanup``; the asking is tested on a terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from localsessions import SessionStore, TrashedSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .conftest import Cli


def ids(cli: Cli) -> set[str]:
    with cli.store() as store:
        return {one.session_id for one in store.list()}


def age(cli: Cli, session_id: str, days: float) -> None:
    with cli.store() as store, store.edit(session_id) as session:
        session.last_activity = datetime.now(UTC) - timedelta(days=days)


def expire(cli: Cli, session_id: str) -> None:
    with cli.store() as store, store.edit(session_id) as session:
        session.expires_at = datetime.now(UTC) - timedelta(days=1)


def test_a_cleanup_takes_filters_and_leaves_archived_sessions(cli: Cli) -> None:
    for name in ("a", "b", "c"):
        cli.add(name, "text")
        age(cli, name, 9)
    with cli.store() as store:
        store.tag("a", "work")
        store.tag("b", "work")
        store.archive("b")
    assert cli("cleanup", "--older-than", "2d", "--yes", "--tag", "work").exit_code == 0
    assert [one["session_id"] for one in cli.json("list", "--with-archived")["items"]] == ["c", "b"]
    assert cli("cleanup", "--older-than", "2d", "--yes", "--archived").exit_code == 0
    assert [one["session_id"] for one in cli.json("list", "--with-archived")["items"]] == ["c"]


def test_a_filter_does_not_narrow_what_is_removed_for_good(cli: Cli) -> None:
    cli.add("a", "text")
    result = cli("cleanup", "--empty-trash", "--yes", "--tag", "work")
    assert result.exit_code == 2
    assert "--empty-trash removes all that was deleted" in result.stderr


def test_delete_moves_to_the_trash_and_restore_brings_back(cli: Cli) -> None:
    cli.add("a", "text")
    cli.add("b")
    result = cli("delete", "--yes", "a", "b", "a")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines() == [
        "deleted a; to bring it back: localsessions restore a",
        "deleted b; to bring it back: localsessions restore b",
    ]
    assert ids(cli) == set()
    assert cli("restore", "a").stderr == "restored a\n"
    assert cli.item("restore", "latest")["session_id"] == "b"
    assert ids(cli) == {"a", "b"}


def test_delete_as_json_says_where_in_the_trash(cli: Cli) -> None:
    cli.add("a")
    cli("delete", "a", "--yes")
    cli.add("a", "again")
    (item,) = cli.items("delete", "a", "--yes")
    assert list(item) == list(TrashedSession.__dataclass_fields__)
    assert item == cli.items("restore", "--list")[0]


def test_delete_takes_an_unreadable_session_too(cli: Cli) -> None:
    cli.write("torn", "{")
    assert cli("delete", "torn", "--yes").exit_code == 0
    result = cli("restore", "torn")
    assert result.exit_code == 5
    assert result.stderr.startswith("restored torn, which was unreadable when it was deleted\n")
    assert (cli.folder / "torn.json").read_text() == "{"


@pytest.mark.parametrize(
    "command", [["delete", "a"], ["cleanup", "--older-than", "1d"], ["cleanup", "--empty-trash"]]
)
def test_nothing_is_removed_where_nobody_can_be_asked(cli: Cli, command: list[str]) -> None:
    cli.add("a")
    result = cli(*command)
    assert result.exit_code == 2
    assert "give --yes" in result.stderr
    assert ids(cli) == {"a"}


def test_delete_removes_nothing_when_one_name_fits_nothing(cli: Cli) -> None:
    cli.add("a")
    assert cli("delete", "a", "other", "--yes").exit_code == 3
    assert ids(cli) == {"a"}


def test_delete_says_what_somebody_else_deleted_meanwhile(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.add("a")
    cli.add("b")
    delete_many = SessionStore.delete_many

    def slow(store: SessionStore, session_ids: Iterable[str]) -> Sequence[str]:
        store.delete("a")
        return delete_many(store, session_ids)

    monkeypatch.setattr(SessionStore, "delete_many", slow)
    result = cli("delete", "a", "b", "--yes", "--json")
    assert result.exit_code == 3
    assert [item["session_id"] for item in json.loads(result.stdout)["items"]] == ["b"]
    assert result.stderr == "error: deleted by someone else meanwhile: a\n"


def test_restore_lists_the_trash(cli: Cli) -> None:
    cli.add("a")
    assert cli("restore", "--list").stderr == "the trash is empty\n"
    cli("delete", "a", "--yes")
    (item,) = cli.items("restore", "--list")
    cells = cli("restore", "--list").stdout.rstrip("\n").split("\t")
    assert cells == ["a", item["deleted_at"], str(item["size_bytes"]), "session"]


@pytest.mark.parametrize("reference", ["session-1", "session", "A title"])
def test_restore_takes_an_id_its_beginning_or_a_title(cli: Cli, reference: str) -> None:
    cli.add("session-1", title="A title")
    cli.add("other")
    cli.write("torn", "{")
    cli.write("list", "[]")
    cli("delete", "session-1", "other", "torn", "list", "--yes")
    assert cli("restore", reference).stderr == "restored session-1\n"


def test_restore_of_an_ambiguous_name_ends_with_2(cli: Cli) -> None:
    names = [f"session-{number}" for number in range(6)]
    for name in names:
        cli.add(name)
    cli("delete", *names, "--yes")
    result = cli("restore", "session")
    assert result.exit_code == 2
    first, *candidates = result.stderr.splitlines()
    assert (
        first == "error: 'session' fits more than one deleted session; give more of the id of one"
    )
    *told, more = [line.split()[-1] for line in candidates]
    assert (len(told), {*told} <= {*names}, more) == (5, True, "more")


def test_restore_of_what_is_not_there_ends_with_3(cli: Cli) -> None:
    cli.add("a")
    for reference in ("a", "latest"):
        assert cli("restore", reference).exit_code == 3


def test_restore_over_a_new_session_ends_with_4(cli: Cli) -> None:
    cli.add("a")
    cli("delete", "a", "--yes")
    cli.add("a")
    assert cli("restore", "a").exit_code == 4


@pytest.mark.parametrize("arguments", [[], ["a", "--list"]])
def test_restore_wants_either_a_session_or_list(cli: Cli, arguments: list[str]) -> None:
    assert cli("restore", *arguments).exit_code == 2


# cleanup


def test_cleanup_says_what_it_deleted_and_kept_and_why(cli: Cli) -> None:
    for name in ("old", "pinned", "young"):
        cli.add(name)
    with cli.store() as store:
        store.pin("pinned")
    age(cli, "old", 40)
    age(cli, "pinned", 50)
    dry = cli("cleanup", "--older-than", "30d", "--dry-run")
    assert ids(cli) == {"old", "pinned", "young"}
    kept, would = dry.stdout.splitlines()
    assert kept == "kept pinned: it is pinned"
    assert would.startswith("would delete old: last active at ")
    done = cli("cleanup", "--older-than", "30d", "--yes")
    assert done.stdout.splitlines() == [kept, would.replace("would delete", "deleted")]
    assert ids(cli) == {"pinned", "young"}


def test_cleanup_without_anything_to_do_says_so(cli: Cli) -> None:
    cli.add("young")
    result = cli("cleanup", "--older-than", "30d", "--yes")
    assert (result.stdout, result.stderr) == ("", "there is nothing to remove\n")


def test_cleanup_of_old_and_expired_names_each_session_once(cli: Cli) -> None:
    for name in ("both", "old", "expired"):
        cli.add(name)
    age(cli, "both", 40)
    age(cli, "old", 40)
    expire(cli, "both")
    expire(cli, "expired")
    report = cli.json("cleanup", "--older-than", "30d", "--expired", "--dry-run")
    assert list(report) == ["version", "command", "items", "cutoff", "dry_run"]
    assert report["dry_run"] is True
    assert sorted(action["session_id"] for action in report["items"]) == [
        "both",
        "expired",
        "old",
    ]
    report = cli.json("cleanup", "--older-than", "30d", "--expired", "--yes")
    assert sorted(action["session_id"] for action in report["items"]) == [
        "both",
        "expired",
        "old",
    ]


def test_cleanup_of_expired_sessions(cli: Cli) -> None:
    cli.add("a")
    cli.add("b")
    expire(cli, "a")
    assert cli("cleanup", "--expired", "--yes").stdout.startswith("deleted a: expired at ")
    assert ids(cli) == {"b"}


def test_the_trash_is_emptied_for_good(cli: Cli) -> None:
    cli.add("a")
    cli("delete", "a", "--yes")
    dry = cli("cleanup", "--empty-trash", "--dry-run")
    assert dry.stdout.startswith("would remove a for good: deleted 20")
    young = cli("cleanup", "--empty-trash", "--deleted-for", "1d", "--yes")
    assert (young.stdout, young.stderr) == ("", "there is nothing to remove\n")
    (item,) = cli.items("cleanup", "--empty-trash", "--yes")
    assert item["session_id"] == "a"
    assert cli.items("restore", "--list") == []


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--older-than", "1d", "--empty-trash"],
        ["--expired", "--empty-trash"],
        ["--older-than", "1d", "--deleted-for", "1d"],
        ["--older-than", "30"],
    ],
)
def test_cleanup_wants_to_know_what(cli: Cli, options: list[str]) -> None:
    cli.add("a")
    assert cli("cleanup", *options, "--yes").exit_code == 2
