"""A message that grows in a file: killed, edited by other programs, on a full disk."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from killing import kill

from localsessions import SessionStore, UnreadableSessionError
from localsessions._local.files import durable

PROGRAMS = Path(__file__).parents[1] / "programs"


class Speaker:
    """Another process in which a message grows."""

    def __init__(self, address: str, session_id: str) -> None:
        command = [sys.executable, str(PROGRAMS / "say.py"), address, session_id]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.run_id = self._heard()

    def _heard(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()
        assert self._heard() == "flushed"

    def kill(self) -> None:
        kill(self.process.pid)
        self.end()

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def speaker(store: SessionStore) -> Iterator[Speaker]:
    store.create("s")
    store.append("s", {"role": "user", "content": "speak"})
    made = Speaker(store.save_dir, "s")
    yield made
    if made.process.poll() is None:
        made.end()


def present(store: SessionStore) -> list[str]:
    return os.listdir(Path(store.save_dir) / ".localsessions" / "present")


def test_a_killed_process_leaves_what_was_flushed_last(
    store: SessionStore, speaker: Speaker
) -> None:
    speaker.say("one")
    speaker.say("two")
    assert [run.status for run in store.runs("s")] == ["RUNNING"]
    speaker.kill()
    assert store.tail("s", 1)[0]["content"] == "one and what was not flushedtwo"
    (run,) = store.runs(status="INTERRUPTED")
    assert (run.session_id, run.run_id) == ("s", speaker.run_id)
    assert present(store) == []  # who asks removes what the killed process left
    assert [one["role"] for one in store.context("s")] == ["user", "assistant"]
    assert len(store.context("s", unfinished="leave_out")) == 1


def test_a_process_that_ends_well_leaves_nothing(store: SessionStore, speaker: Speaker) -> None:
    speaker.say("one")
    speaker.end()
    assert [run.status for run in store.runs("s")] == ["COMPLETED"]
    assert present(store) == []


def test_two_processes_in_one_session(store: SessionStore, speaker: Speaker) -> None:
    other = Speaker(store.save_dir, "s")
    for number in range(5):
        speaker.say(f"a{number}")
        other.say(f"b{number}")
    speaker.kill()
    other.say("b5")
    assert [run.status for run in store.runs("s")] == ["INTERRUPTED", "RUNNING"]
    other.end()
    first, second = (str(one["content"]) for one in store.load("s").messages[1:])
    assert [first.count(f"a{number}") for number in range(5)] == [1] * 5
    assert [second.count(f"b{number}") for number in range(6)] == [1] * 6
    assert second.endswith(" and what was not flushed")
    assert [run.status for run in store.runs("s")] == ["INTERRUPTED", "COMPLETED"]


def test_an_editor_that_saves_in_the_middle_loses_nothing(store: SessionStore) -> None:
    store.create("s")
    path = Path(store.path("s"))
    with store.streaming("s") as draft:
        draft.write("Hello")
        draft.flush()
        document = json.loads(path.read_bytes())
        document["title"] = "by hand"
        document["messages"].insert(0, {"role": "user", "content": "by hand"})
        path.write_text(json.dumps(document, indent=4), "utf-8")
        draft.write(", you")
    session = store.load("s")
    assert session.title == "by hand"
    assert [one["content"] for one in session.messages] == ["by hand", "Hello, you"]
    assert session.runs == [{"run_id": draft.run_id, "status": "COMPLETED"}]


def test_a_file_that_is_broken_meanwhile_stays_and_so_does_what_was_said(
    store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create("s")
    path = Path(store.path("s"))
    with store.streaming("s") as draft:
        draft.write("Hello")
        draft.flush()
        whole = path.read_bytes()
        path.write_bytes(whole[:-20])
        with pytest.raises(UnreadableSessionError):
            draft.flush()
        draft._due_at = 0.0
        draft.write(", ")
        assert isinstance(draft.delayed_by, UnreadableSessionError)
        assert path.read_bytes() == whole[:-20]
        path.write_bytes(whole)
        draft.write("you")
    assert store.load("s").messages[0]["content"] == "Hello, you"


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_on_a_full_disk_what_was_said_is_kept_for_later(store: SessionStore) -> None:
    store.create("s")
    with store.streaming("s") as draft:
        draft.write("Hello")
        draft.flush()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(durable, "write_new", full)
            patch.setattr(durable, "write_end", full)
            draft._due_at = 0.0
            draft.write(", you")
            reason = draft.delayed_by
            assert isinstance(reason, OSError)
            assert reason.errno == errno.ENOSPC
        assert store.load("s").messages[0]["content"] == "Hello"
    assert store.load("s").messages[0]["content"] == "Hello, you"


def test_a_disk_that_is_full_at_the_end_says_so_and_the_draft_still_has_it(
    store: SessionStore,
) -> None:
    store.create("s")
    with (  # noqa: PT012
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(OSError, match="No space left"),
        store.streaming("s") as draft,
    ):
        draft.write("Hello")
        patch.setattr(durable, "write_new", full)
        patch.setattr(durable, "write_end", full)
    assert [run.status for run in store.runs("s")] == ["INTERRUPTED"]
    with store.streaming("s", draft.message):
        pass
    assert store.load("s").messages[0]["content"] == "Hello"


def test_a_flush_writes_only_the_end_of_a_long_session(store: SessionStore, folder: Path) -> None:
    """Also where another store writes in between, and knows nothing of the runs."""
    store.create("s", messages=[{"role": "user", "content": "x" * 100} for _ in range(20_000)])
    store.append("s", {"role": "user", "content": "last"})
    with SessionStore(folder) as other:
        with store.streaming("s") as draft, other.streaming("s") as second:
            before = [one.stats().counters for one in (store, other)]
            for number in range(20):
                for stream in (draft, second):
                    stream.write(f"{number} ")
                    stream.flush()
        after = [one.stats().counters for one in (store, other)]
        for was, now in zip(before, after, strict=True):
            assert now["files_read"] == was["files_read"]
            assert now["files_written"] - was["files_written"] == 21
            assert now["ends_written"] - was["ends_written"] == 21
        said = "".join(f"{number} " for number in range(20))
        assert [one["content"] for one in store.tail("s", 2)] == [said, said]


@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_long_message_at_the_beginning_grows_as_any_other(
    store: SessionStore, before: int
) -> None:
    store.create("s", messages=[{"role": "user", "content": "x"} for _ in range(before)])
    with store.streaming("s") as draft:
        for number in range(5):
            draft.write(f"{number}{'索' * 10_000}")
            draft.flush()
    said = "".join(f"{number}{'索' * 10_000}" for number in range(5))
    expected = [*"x" * before, said]
    assert [one["content"] for one in store.load("s").messages] == expected
    document = json.loads(Path(store.path("s")).read_bytes())
    assert [one["content"] for one in document["messages"]] == expected
    assert store.list().items[0].message_count == before + 1
    assert list(store.verify()) == []


def test_an_id_that_two_runs_have_is_told_apart(store: SessionStore) -> None:
    store.create("s", messages=[{"role": "user", "content": "x" * 40_000}])
    first = {"role": "assistant", "id": "m", "run_id": "r1"}
    with store.streaming("s", first) as draft:
        with store.streaming("s", {**first, "run_id": "r2"}) as second:
            second.write("two")
        draft.write("one")
    texts = [(one.get("run_id"), one["content"]) for one in store.load("s").messages[1:]]
    assert texts == [("r1", "one"), ("r2", "two")]


def test_it_reads_only_the_end_of_a_long_session(store: SessionStore, folder: Path) -> None:
    store.create("s", messages=[{"role": "user", "content": "x" * 100} for _ in range(20_000)])
    store.append("s", {"role": "user", "content": "last"})
    with SessionStore(folder) as other:
        assert len(other.history("s", 10)) == 10
        assert len(other.context("s", max_tokens=300, count_tokens=lambda _: 100)) == 3
        assert other.runs("s") == ()
        assert other.stats().counters["files_read"] == 0
