"""Ctrl-C at single moments that a storm of them met; ``tests/proof`` has the storm itself."""

from __future__ import annotations

import contextlib
import gc
import itertools
import logging
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import cast
from unittest import mock

import filelock
import pytest

from localsessions import SessionStore
from localsessions._local.files.locks import StripedLocks, _Stripe
from localsessions._local.files.scan import scan
from localsessions._local.index.database import Database


@contextlib.contextmanager
def interrupted_in(code: CodeType, of: CodeType) -> Iterator[None]:
    """Press Ctrl-C where the ``with`` block of a generator's manager is left."""

    def look(frame: FrameType, event: str, _: object) -> None:
        is_leaving = event == "call" and frame.f_code is code
        if is_leaving and frame.f_locals["self"].gen.gi_code is of:
            raise KeyboardInterrupt

    gc.disable()
    sys.setprofile(look)  # raising in it ends it
    try:
        yield
    finally:
        sys.setprofile(None)
        gc.enable()


@pytest.mark.parametrize("names", [["a"], ["a", "b"]], ids=["one session", "two sessions"])
def test_a_lock_that_was_left_by_ctrl_c_is_free_before_any_garbage_collection(
    folder: Path, names: list[str]
) -> None:
    leaving = contextlib._GeneratorContextManager.__exit__.__code__
    hold = cast("CodeType", _Stripe.hold.__wrapped__.__code__)  # type: ignore[attr-defined]
    folder.mkdir()
    locks = StripedLocks(str(folder), timeout=1)
    with (
        interrupted_in(leaving, of=hold),
        pytest.raises(KeyboardInterrupt) as caught,
        locks.hold(names),
    ):
        pass
    caught.value.__traceback__ = None  # as where the except clause has ended
    del caught
    assert [stripe._owner for stripe in locks._stripes.values()] == [None] * len(names)
    other = StripedLocks(str(folder), timeout=0)
    with other.hold(names):
        pass


@pytest.mark.parametrize("call", ["lock_descriptor", "unlock_descriptor"])
def test_ctrl_c_while_a_file_is_locked_or_let_go_of_leaves_it_free(
    folder: Path, store: SessionStore, call: str
) -> None:
    store.create("s")
    with (
        mock.patch.object(filelock, call, side_effect=[KeyboardInterrupt, None]),
        pytest.raises(KeyboardInterrupt),
    ):
        store.append("s", {"role": "user", "content": "Hi"})
    with SessionStore(folder, lock_timeout=0) as other:
        other.append("s", {"role": "user", "content": "Hi again"})


@pytest.mark.parametrize("name", [None, "index.sqlite3"], ids=["in memory", "in a file"])
def test_ctrl_c_while_the_database_is_opened_is_no_damage(
    tmp_path: Path, name: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = None if name is None else str(tmp_path / name)
    database = Database(path, "CREATE TABLE things (name)", 1)
    with (
        mock.patch.object(Database, "_make", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        database.read(lambda connection: connection)
    with caplog.at_level(logging.WARNING):
        assert database.read(lambda db: db.execute("SELECT * FROM things").fetchall()) == []
    assert caplog.text == ""
    database.close()


def scanned_but_for_ctrl_c(folder: Path, moment: int) -> bool:
    """Press Ctrl-C where that call into the system, or into C, returns; tell whether it came."""
    calls = itertools.count(1)

    def look(frame: FrameType, event: str, _: object) -> None:
        is_there = event == "c_return" and frame.f_code.co_filename == scan.__code__.co_filename
        if is_there and next(calls) == moment:
            raise KeyboardInterrupt

    sys.setprofile(look)  # raising in it ends it
    try:
        scan(str(folder), {})
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


def test_ctrl_c_while_a_folder_is_looked_at_leaves_it_closed(folder: Path) -> None:
    folder.mkdir()
    for name in ("a.json", "b%41.json", "notes.txt"):
        (folder / name).touch()
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        moments = itertools.takewhile(partial(scanned_but_for_ctrl_c, folder), itertools.count(1))
        assert len([*moments]) > 3
    assert [str(one.message) for one in met] == []
