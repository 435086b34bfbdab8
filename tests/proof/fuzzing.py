"""What is fuzzed, the promise that each target checks, and the process that is guided by coverage.

python -m proof.fuzzing TARGET SECONDS FOLDER

A target takes any bytes. What it may answer is written in it; whatever else it raises is a
violation. With atheris a child is steered by the branches that an input reaches, from seeds that
are the project's own examples; without it, hypothesis mutates the same seeds.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

from pydantic import JsonValue

from localsessions import (
    FormatVersionError,
    Session,
    SessionStore,
    UnreadableSessionError,
    _codec,
)
from localsessions._codec import checkpoint as checkpoints
from localsessions._codec.names import file_stem, session_id_of
from localsessions._codec.salvage import salvage
from localsessions._codec.summary import summarize
from localsessions._local.index.hits import match_of
from localsessions._local.version import Fingerprint
from localsessions._rules.cursor import Cursor
from localsessions._rules.finder import Finder
from localsessions._rules.merging import merge
from localsessions._rules.question import read_question
from localsessions._rules.words import fold, indexable
from localsessions.cli.exits import ExitCode
from localsessions.cli.program import run as run_command
from localsessions.models.standing import original_of
from localsessions.server import PREFIX, create_app
from proof import fuzzing_imports as imports
from proof.exactness import exact
from proof.fuzzing_imports import LARGEST_SEED, SESSIONS
from proof.session_edits import edit

__all__ = ["TARGETS", "Target", "seeds_of"]

_STAMP = Fingerprint(0, 1_767_323_045_000_000_000, 0, 0)


@dataclass(frozen=True)
class Target:
    """One thing that is fuzzed.

    Attributes:
        act: Checks a promise for some bytes; raises where it is broken.
        seeds: Where to begin.
        cases: How many cases a short run has.
    """

    act: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    cases: int = 40


def _unordered(value: dict[str, JsonValue]) -> dict[str, object]:
    return {key: exact(item) for key, item in value.items()}


@contextlib.contextmanager
def misuse() -> Iterator[None]:
    """Let what the store documents as misuse pass; subclasses (UnicodeError, ...) are bugs."""
    try:
        yield
    except ValueError as error:
        if type(error) is not ValueError:
            raise


def decoded(data: bytes) -> Session | None:
    try:
        return _codec.decode(data, session_id="s", modified_at=_STAMP.modified_at)
    except UnreadableSessionError as error:
        fault = error
    assert min(fault.line or 0, fault.column or 0) >= 1, fault
    assert len(fault.reason) < 1000, fault
    return None


# -- what is in files ----------------------------------------------------------------------------


def decode(data: bytes) -> None:
    """Any bytes are refused with their place, or a session that loses nothing when written."""
    session = decoded(data)
    if session is None:
        return
    document = _codec.parse_json(data)
    assert isinstance(document, dict)
    for name in ("messages", "runs", "modules", "state", "metadata", "agent_context"):
        if document.get(name) is not None:
            assert exact(getattr(session, name)) == exact(document[name])
    unknown = {key: item for key, item in document.items() if key not in Session.model_fields}
    assert exact(session.extra) == exact(unknown)
    try:
        written = _codec.encode(session)
    except FormatVersionError:
        return
    again = _codec.decode(written, session_id="s", modified_at=_STAMP.modified_at)
    assert again.model_dump() == session.model_dump()
    # An unknown field follows the known one that it followed; where those stood in another order
    # than the format's, the unknown ones change places with them.
    assert _unordered(again.extra) == _unordered(session.extra)
    known = [key for key in document if key in Session.model_fields]
    if known == [key for key in Session.model_fields if key in known]:
        assert exact(again.extra) == exact(session.extra)
    assert _codec.encode(again) == written
    assert _codec.is_unchanged(session, _codec.encode(session, {}), {}, original_of(session))
    summarize(session, len(data))


def salvaging(data: bytes) -> None:
    """What is salvaged is the beginning of the file, closed, and whole: salvaging ends there."""
    kept = salvage(data)
    if kept is None:
        return
    assert isinstance(_codec.parse_json(kept), dict)
    assert data.startswith((kept, kept[:-1], kept[:-2]))
    assert salvage(kept) == kept


def checkpoint(data: bytes) -> None:
    """Any bytes are refused, or a checkpoint that comes back equal when written."""
    try:
        found = checkpoints.decode(data, "s", "/s")
    except UnreadableSessionError:
        return
    again = checkpoints.decode(checkpoints.encode(found), "s", "/s")
    assert exact(again.data) == exact(found.data)
    assert again.checkpoint_id == found.checkpoint_id


def merging(data: bytes) -> None:
    """Two sides that were changed at random merge alike in both orders, and lose no message."""
    base = _codec.decode(_messages(4), session_id="s", modified_at=_STAMP.modified_at)
    ours, theirs = base.model_copy(deep=True), base.model_copy(deep=True)
    for at in range(0, len(data) - 2, 3):
        edit(ours if data[at] & 1 else theirs, data[at] >> 1, data[at + 1], data[at + 2])
    one, other = merge(base, ours, theirs), merge(base, theirs, ours)
    assert sorted(one.conflicts) == sorted(other.conflicts)
    if one.conflicts:
        return
    assert _contents(one.session) == _contents(other.session)
    kept = {message.get("id") for message in one.session.messages}
    for side, beside in ((ours, theirs), (theirs, ours)):
        removed = {m.get("id") for m in base.messages} - {m.get("id") for m in beside.messages}
        assert {message.get("id") for message in side.messages} - removed <= kept
        added = _texts_of(side) - _texts_of(base)
        assert not added - _texts_of(one.session)
    _codec.encode(one.session)


def _texts_of(session: Session) -> Counter[str]:
    return Counter(map(_plain, session.messages))


def _messages(count: int) -> bytes:
    messages: list[JsonValue] = [
        {"id": f"m{number}", "role": "user", "content": "x"} for number in range(count)
    ]
    return _codec.encode_value({"session_id": "s", "tags": ["a", "b"], "messages": messages})


def _plain(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _contents(session: Session) -> list[object]:
    return [
        sorted(map(_plain, session.messages)),
        sorted(map(_plain, session.runs)),
        session.title,
        _plain(session.state),
        sorted(session.tags),
    ]


# -- what comes in from outside ------------------------------------------------------------------


def cursor(data: bytes) -> None:
    """Any text is refused as no cursor, or it is one that comes back equal."""
    text = data[1:].decode("utf-8", "surrogateescape")
    if data[:1] < b"\x80":
        text = Cursor("l", 1, "s")._replace(session_id=text).encode()[: 4 + len(data)]
    with misuse():
        found = Cursor.decode(text, "l")
        assert Cursor.decode(found.encode(), "l") == found


def names(data: bytes) -> None:
    """No text is the name of a file elsewhere, and id and file name are one to one."""
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(ValueError):
        stem = file_stem(text)
        assert session_id_of(stem) == text
        assert os.path.basename(f"{stem}.json") == f"{stem}.json"
        assert not set(stem) & set('\0/\\<>:"|?*')
        assert stem not in ("", ".", "..")
        assert len(f"20261231T235959000000Z-{stem}.checkpoints".encode()) <= 255
        assert len(os.fsencode(stem)) == len(stem.encode())
    session_id = session_id_of(text)
    if session_id is not None:
        assert file_stem(session_id) == text


def searching(data: bytes) -> None:
    """Any text is a question, and finds in a text what is in it, and shows where."""
    asked, _, text = data.decode("utf-8", "replace").partition("\n")
    text = re.sub("[\x1d-\x1f]", " ", text)  # which part the sections of what is stored
    question = read_question(asked)
    if not question.groups:
        return
    near = question.near(fold(text).split())
    database, match = _words(), match_of(question, near)
    database.execute("INSERT OR REPLACE INTO words (rowid, body) VALUES (1, ?)", [_stored(text)])
    found = database.execute("SELECT rowid FROM words WHERE words MATCH ?", [match]).fetchall()
    finder = Finder(question, near)
    assert not finder.occurs_in(text) or found == [(1,)], (question, near, text)
    line, spans = finder.snippet(text)
    assert "\n" not in line
    assert all(0 <= start < stop <= len(line) for start, stop in spans)
    assert spans or not finder.occurs_in(text), (question, text)


def _stored(text: str) -> str:
    return indexable(text).encode("utf-8", "replace").decode()


@cache
def _words() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE words USING fts5 (body, tokenize = 'ascii')")
    return database


# -- what is asked of a store --------------------------------------------------------------------


@contextlib.contextmanager
def _store_of_three() -> Iterator[SessionStore]:
    folder = tempfile.mkdtemp(prefix="fuzzed-")
    try:
        with SessionStore(f"{folder}/sessions") as store:
            for name in ("a", "b с", "c%"):
                store.create(name, title=f"The {name}", user_id="u")
                store.append(name, {"role": "user", "content": f"some words of {name}"})
            store.delete("b с")
            store.restore("b с")
            yield store
    finally:
        shutil.rmtree(folder)


_kept_open = contextlib.ExitStack()


@cache
def _store() -> SessionStore:
    return _kept_open.enter_context(_store_of_three())


@cache
def _app() -> tuple[Any, asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    _kept_open.callback(loop.close)
    return create_app(_store()), loop


def close() -> None:
    """Close what targets keep open, and remove their folders."""
    _kept_open.close()
    for made in (_store, _app, _index):
        made.cache_clear()


def request(data: bytes) -> None:
    """No request of any kind is answered with a failure of ours, nor with anything but JSON."""
    method, path, *headers = [*data.split(b"\n"), b"", b""][:8]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method.decode("latin-1").upper(),
        "path": path.decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 8001),
        "headers": [
            (name.lower(), value)
            for name, _, value in (line.partition(b":") for line in headers)
            if name
        ],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(part: object) -> None:
        sent.append(part)

    app, loop = _app()
    loop.run_until_complete(app(scope, receive, send))
    assert sent[0]["status"] < 500, sent
    assert not [name for name, _ in sent[0]["headers"] if name.startswith(b"access-control")]
    body = b"".join(part.get("body", b"") for part in sent[1:])
    assert not body or json.loads(body) is not None


_SAFE = (
    *("append", "archive", "delete", "export", "fork", "history", "list", "new", "path", "pin"),
    *("rename", "restore", "search", "show", "stats", "tag", "verify", "cleanup", "reindex"),
)
_ENDS = {int(code) for code in ExitCode} - {ExitCode.INTERRUPTED, ExitCode.BROKEN_PIPE}


def command(data: bytes) -> None:
    """No argument of a command ends in a traceback, or touches what is outside the folder."""
    store = _store()
    outside = Path(store.save_dir).parent
    which, *arguments = data.split(b"\n")[:8]
    texts = [one.replace(b"\0", b"").decode("utf-8", "surrogateescape") for one in arguments]
    # A file that a person names may be anywhere; what is promised is about all other arguments.
    texts = [text for text in texts if not text.startswith(("--dir", "--output", "-o", "@"))]
    name = _SAFE[sum(which) % len(_SAFE)]
    if name == "export":
        texts = [text for text in texts if "/" not in text]
    code = _run([name, "--dir", store.save_dir, *texts], cwd=store.save_dir)
    assert code in _ENDS, code
    assert os.listdir(outside) == ["sessions"], os.listdir(outside)


def _run(arguments: list[str], cwd: str) -> int:
    stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO())
    out, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    try:
        with (
            contextlib.chdir(cwd),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            return run_command(arguments)
    finally:
        sys.stdin = stdin


_SEALED = ("session_id", "fingerprint", "settled", "digest", "change", "summary", "good", "seal")


@cache
def _index() -> tuple[str, bytes, object]:
    store = _kept_open.enter_context(_store_of_three())
    path = f"{store.save_dir}/.localsessions/index.sqlite3"
    said = _said(store)
    store.close()
    return store.save_dir, Path(path).read_bytes(), said


def _said(store: SessionStore) -> object:
    summaries = [one.model_dump() for one in store.list(order="created_at").items]
    hits = [hit.session.session_id for hit in store.search("words")]
    return summaries, store.count(user_id="u"), hits


def index_rows(data: bytes) -> None:
    """Whatever stands in a sealed column of the index, the answers are those of the files."""
    folder, whole, said = _index()
    path = Path(folder, ".localsessions/index.sqlite3")
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.write_bytes(whole)
    column, row, kind, rest = *([*data[:3], 0, 0, 0][:3]), data[3:]
    text = rest.decode("utf-8", "replace")
    value = [rest, text, None, int.from_bytes(rest[:7], "big"), float(len(rest))][kind % 5]
    database = sqlite3.connect(path)
    with contextlib.suppress(sqlite3.IntegrityError), database:
        database.execute(
            f"UPDATE sessions SET {_SEALED[column % len(_SEALED)]} = ? WHERE rowid = ?",
            [value, row % 3 + 1],
        )
    database.close()
    with SessionStore(folder) as store:
        assert _said(store) == said


# -- seeds ---------------------------------------------------------------------------------------


def _sessions() -> list[bytes]:
    return [path.read_bytes() for path in SESSIONS]


def _checkpoint_seeds() -> list[bytes]:
    return [checkpoints.encode(checkpoints.made("s", {"step": [1, 2.5, None, "é"]}))]


def _requests() -> list[bytes]:
    host = b"\nHost: localhost:8001\nOrigin: http://localhost:8001\nSec-Fetch-Site: none"
    paths = ["/sessions", "/sessions/a/history", "/sessions/%2e%2e%2f/history", "/agents/a/current"]
    return [b"GET\n" + f"{PREFIX}{path}".encode() + host for path in paths]


def _texts(*texts: str) -> Callable[[], list[bytes]]:
    return lambda: [text.encode() for text in texts]


TARGETS: dict[str, Target] = {
    "decode": Target(decode, _sessions),
    "salvage": Target(salvaging, _sessions),
    "checkpoint": Target(checkpoint, _checkpoint_seeds),
    "merge": Target(merging, lambda: [bytes(range(n, n + 24)) for n in (0, 40, 80)]),
    "transcript": Target(imports.transcript, imports.transcripts),
    "container": Target(imports.container, imports.containers, 25),
    "database cells": Target(imports.database_cells, imports.cells, 25),
    "import again": Target(imports.importing_again, imports.imports_again),
    "redaction": Target(imports.redaction, imports.transcripts),
    "cursor": Target(cursor, lambda: [b"\xff" + Cursor("l", 5, "s").encode().encode(), b"\0some"]),
    "names": Target(names, _texts("../etc/passwd", "CON.json", "a%2E%2e", "C:\\x", "e\u0301 会.")),
    "search": Target(searching, _texts('a "b c"\nx a b c', "会\n会議", "İ\u0130\nstraße ﬁ ｶﾞ")),
    "request": Target(request, _requests, cases=25),
    "command": Target(command, _texts("\x05\n--json", "\x07\n--limit\n1", "\0\na\nuser\nhi"), 10),
    "index rows": Target(index_rows, lambda: [bytes([n, n, n]) + b"17:1:1:1" for n in range(8)], 8),
}


def seeds_of(name: str, folder: Path) -> None:
    """Write the seeds of a target, a file each."""
    for number, seed in enumerate(TARGETS[name].seeds()):
        (folder / f"seed-{number:03d}").write_bytes(seed)


def _functions() -> list[FunctionType]:
    """Return all functions of the package, those of its classes too."""
    functions: list[FunctionType] = []
    for name in [name for name in sys.modules if name.partition(".")[0] == "localsessions"]:
        for value in list(vars(sys.modules[name]).values()):
            inner = list(vars(value).values()) if isinstance(value, type) else [value]
            found = [getattr(each, "__func__", each) for each in inner]
            functions += [one for one in found if isinstance(one, FunctionType)]
    return [one for one in functions if one.__module__.startswith("localsessions")]


def fuzz(name: str, seconds: int, folder: str) -> None:
    """Fuzz a target for some seconds, steered by coverage; does not come back."""
    atheris = importlib.import_module("atheris")
    seeds_of(name, Path(folder))
    for function in _functions():
        atheris.instrument_func(function)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={2 * LARGEST_SEED}",
        *("-timeout=60", "-rss_limit_mb=3000", "-print_final_stats=1", "-verbosity=1"),
        f"-artifact_prefix={folder}/",
    ]
    atheris.Setup([name, *options, folder], TARGETS[name].act)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[1], int(sys.argv[2]), sys.argv[3])
