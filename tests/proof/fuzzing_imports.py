"""The targets of ``fuzzing.py`` for what comes in from other programs, and goes out redacted."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from localsessions import Session, UnreadableSessionError, _codec
from localsessions._codec.names import file_stem
from localsessions.redaction import redact
from localsessions.transcripts.exporting import export
from localsessions.transcripts.importing import read_transcripts
from localsessions.transcripts.registry import FORMATS, recognise
from localsessions.transcripts.reimport import mark_imported, update
from localsessions.transcripts.source import Source, parse_source
from localsessions.transcripts.transcript import sessions_of
from proof.exactness import exact
from proof.session_edits import edit

__all__ = [
    "LARGEST_SEED",
    "SESSIONS",
    "cells",
    "container",
    "containers",
    "database_cells",
    "importing_again",
    "imports_again",
    "redaction",
    "transcript",
    "transcripts",
]

ROOT = Path(__file__).parents[2]
SESSIONS = sorted((ROOT / "tests/data/v1").glob("*.json"))
EXAMPLES = ROOT / "examples/transcripts"
TRANSCRIPTS = sorted(
    path for path in EXAMPLES.rglob("*") if path.suffix in (".json", ".jsonl", ".traj")
)
LARGEST_SEED = 6_000
_NOW = datetime(2026, 1, 2, tzinfo=UTC)
_EDITS = 12
"""So many bytes of an input of ``importing_again`` say what is changed here."""


# -- one transcript ------------------------------------------------------------------------------


def transcript(data: bytes) -> None:
    """Any bytes are no transcript, or sessions that can be stored, written out and read again."""
    source = _source(data)
    if source is None:
        return
    for session in _sessions_of(source):
        _is_well(session)
    # Whatever one format took, none of the others fails on.
    for other in FORMATS:
        if other.recognises(source):
            other.read(source)


def _source(data: bytes) -> Source | None:
    try:
        return parse_source(data, path="file.jsonl", modified_at=_NOW)
    except json.JSONDecodeError:
        return None


def _sessions_of(source: Source) -> list[Session]:
    form = recognise(source)
    return [] if form is None else list(sessions_of(form, source, form.read(source)))


def _is_well(session: Session) -> None:
    """Find that a session can be stored and written out."""
    file_stem(session.session_id)
    written = _codec.encode(session)
    again = _codec.decode(written, session_id=session.session_id, modified_at=_NOW)
    assert exact(again.messages) == exact(session.messages)
    assert len(export(session, "markdown")) > 0
    assert _codec.parse_json(export(session, "json"))
    json.loads(export(session, "jsonl"))


# -- files that hold others ----------------------------------------------------------------------


def container(data: bytes) -> None:
    """Whatever a ZIP, a zstd file or a database holds, it is read or named, and left as it is."""
    with tempfile.TemporaryDirectory(prefix="fuzzed-") as folder:
        path = Path(folder, "state.vscdb")
        path.write_bytes(data)
        _read(path)
        assert path.read_bytes() == data
        assert os.listdir(folder) == ["state.vscdb"]


def _read(path: Path) -> None:
    found = list(read_transcripts(path))
    assert found
    for one in found:
        assert one.sessions or one.report.skipped, one.report
        assert len(one.report.skipped or "") < 1000
        for session in one.sessions:
            _is_well(session)


def database_cells(data: bytes) -> None:
    """Whatever stands in a cell of a program's database, it is read or named."""
    which, row, kind, rest = *([*data[:3], 0, 0, 0][:3]), data[3:]
    text = rest.decode("utf-8", "replace")
    value = [text, rest, None, int.from_bytes(rest[:7], "big"), float(len(rest))][kind % 5]
    make = (_cursor, _opencode)[which % 2]
    with tempfile.TemporaryDirectory(prefix="fuzzed-") as folder:
        path = Path(folder, "state.vscdb")
        make(path)
        with closing(sqlite3.connect(path)) as database, suppress(sqlite3.IntegrityError), database:
            tables = _tables(database)
            table, column = tables[which // 2 % len(tables)]
            count = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            database.execute(
                f"UPDATE {table} SET {column} = ? WHERE rowid = ?", [value, row % count + 1]
            )
        _read(path)


def _tables(database: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return each column of each table that has rows."""
    names = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    return [
        (table, column[1])
        for (table,) in names.fetchall()
        if database.execute(f"SELECT 1 FROM {table}").fetchone()
        for column in database.execute(f"PRAGMA table_info ({table})").fetchall()
    ]


def _cursor(path: Path) -> None:
    bubble = {"type": 1, "text": "hello", "createdAt": "2026-01-02T03:04:05Z"}
    tool = {"type": 2, "toolFormerData": {"name": "f", "rawArgs": "{}", "result": "{}"}}
    heads = [{"bubbleId": "a", "type": 1}, {"bubbleId": "b", "type": 2}]
    composer = {"composerId": "c", "name": "A title", "fullConversationHeadersOnly": heads}
    rows = {"composerData:c": composer, "bubbleId:c:a": bubble, "bubbleId:c:b": tool}
    prompts = [{"text": "said", "commandType": 4}]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA page_size = 512")
        for table in ("ItemTable", "cursorDiskKV"):
            database.execute(f"CREATE TABLE {table} (key TEXT UNIQUE, value BLOB)")
        items = [("aiService.prompts", json.dumps(prompts))]
        cells = [(key, json.dumps(value)) for key, value in rows.items()]
        database.executemany("INSERT INTO ItemTable VALUES (?, ?)", items)
        database.executemany("INSERT INTO cursorDiskKV VALUES (?, ?)", cells)


def _opencode(path: Path) -> None:
    said, tool = {"role": "user"}, {"type": "tool", "callID": "1", "tool": "f"}
    state = {"status": "completed", "input": {"a": 1}, "output": "done"}
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA page_size = 512")
        database.execute(
            "CREATE TABLE session (id text, project_id text, parent_id text, directory text,"
            " title text, revert text, time_created integer, time_updated integer)"
        )
        for table, parent in (("message", "session_id"), ("part", "session_id, message_id")):
            database.execute(
                f"CREATE TABLE {table} (id text, {parent}, time_created integer, data text)"
            )
        database.execute("INSERT INTO session VALUES ('s', 'p', NULL, '/p', 'T', NULL, 1, 2)")
        database.execute("INSERT INTO message VALUES ('m', 's', 1, ?)", [json.dumps(said)])
        for name, part in (("a", {"type": "text", "text": "hi"}), ("b", tool | {"state": state})):
            database.execute(
                "INSERT INTO part VALUES (?, 's', 'm', 1, ?)", [name, json.dumps(part)]
            )


def containers() -> list[bytes]:
    """Return small files of each kind that holds transcripts."""
    return [_zipped(), *map(_file_of, (_cursor, _opencode)), *_zstd()]


def _zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/conversations.json", b'[{"role": "user", "content": "hi"}]')
        archive.writestr("../b.jsonl", b'{"role": "user", "content": "hi"}\n' * 3)
    return made.getvalue()


def _zstd() -> Iterator[bytes]:
    with suppress(ImportError):
        from backports import zstd

        yield zstd.compress(b'[{"role": "user", "content": "hi"}]')


@cache
def _file_of(make: Callable[[Path], None]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="fuzzed-") as folder:
        make(Path(folder, "made"))
        return Path(folder, "made").read_bytes()


def cells() -> list[bytes]:
    """Return an input for each column of each database, and one of each kind of value."""
    return [
        bytes([which, 0, kind]) + b'{"type": 2, "text": ["x"], "role": "assistant"}'
        for which in range(24)
        for kind in range(2)
    ]


# -- imported again ------------------------------------------------------------------------------


def importing_again(data: bytes) -> None:
    """Whatever changed here and in the source, nothing that is here goes, and twice is once."""
    edits, text = data[:_EDITS], data[_EDITS:]
    source = _source(text)
    for found in [] if source is None else _sessions_of(source):
        stored = mark_imported(found).session.model_copy(deep=True)
        stored.messages = stored.messages[: edits[0] % 8 if edits else 0]
        for at in range(1, len(edits) - 2, 3):
            edit(stored, *edits[at : at + 3])
        before = [one for one in stored.messages if one.get("pending") is not True]
        update(stored, found)
        kept = {str(one.get("id")) for one in stored.messages}
        assert {str(one.get("id")) for one in before} <= kept
        _is_well(stored)
        done = exact(stored.model_dump())
        assert not update(stored, found).changed
        assert exact(stored.model_dump()) == done


def imports_again() -> list[bytes]:
    """Return transcripts, each with another change here."""
    return [
        bytes((number * 7 + at * 31) % 256 for at in range(_EDITS)) + data
        for number, data in enumerate(transcripts())
    ]


# -- going out -----------------------------------------------------------------------------------


def redaction(data: bytes) -> None:
    """A session without its secrets is as well as before, and has no secret any more."""
    source = _source(data)
    sessions = [] if source is None else _sessions_of(source)
    with suppress(UnreadableSessionError):
        sessions.append(_codec.decode(data, session_id="s", modified_at=_NOW))
    for session in sessions:
        before = exact(session.model_dump())
        found = redact(session)
        assert exact(session.model_dump()) == before
        assert redact(found.session).findings == ()
        _is_well(found.session)
        if not found.findings:
            assert exact(found.session.messages) == exact(session.messages)


# -- seeds ---------------------------------------------------------------------------------------


def transcripts() -> list[bytes]:
    """Return the beginning of each transcript: whole lines, or a torn document and a small one."""
    found = []
    for path in TRANSCRIPTS:
        data = path.read_bytes()
        if len(data) > LARGEST_SEED and path.suffix == ".jsonl":
            data = data[: data.rfind(b"\n", 0, LARGEST_SEED) + 1]
        if 0 < len(data) <= LARGEST_SEED:
            found.append(data)
    openai = b'[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"text"}]}]'
    secret = b'[{"role":"user","content":"token ghp_' + b"a1B2" * 9 + b'","api_key":"a"}]'
    return [*found, openai, secret, *(path.read_bytes() for path in SESSIONS)]
