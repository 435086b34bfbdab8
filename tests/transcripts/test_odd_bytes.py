"""Files that are torn, mixed or oddly coded: what is whole comes in, and the rest is told."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localsessions.transcripts import BadLine, read_transcript, snapshot, source
from localsessions.transcripts.lines import content_of, json_of

from .records import claude_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import JsonValue


def line(text: str, **more: JsonValue) -> str:
    return json.dumps(claude_record("user", text, text, sessionId="s", **more), ensure_ascii=False)


A, B, C = (line(text).encode() for text in "abc")


def read(tmp_path: Path, data: bytes) -> tuple[list[JsonValue], tuple[BadLine, ...]]:
    """Return what was said in a file with these bytes, and what was told about it."""
    path = tmp_path / "chat.jsonl"
    path.write_bytes(data)
    found = read_transcript(path)
    assert found.report.skipped is None
    said = [message["content"] for session in found.sessions for message in session.messages]
    return said, found.report.bad_lines


WHOLE = [
    ("two records on one line", A + b"\n" + B + C + b"\n", "abc"),
    ("two records with a space between", A + b"\n" + B + b" " + C, "abc"),
    ("CRLF and a byte order mark", b"\xef\xbb\xbf" + A + b"\r\n" + B + b"\r\n", "ab"),
    ("blank lines", b"\n\n" + A + b"\n \n" + B, "ab"),
    ("UTF-16 with a mark", b"\r\n".join([A, B]).decode().encode("utf-16"), "ab"),
    ("UTF-16, big, with a mark", b"\xfe\xff" + (A + b"\n" + B).decode().encode("utf-16-be"), "ab"),
    ("UTF-16 without a mark", (A + b"\n" + B).decode().encode("utf-16-le"), "ab"),
    (
        "a line separator in a text",
        line("a\u2028b\x85c").encode() + b"\n" + C,
        ["a\u2028b\x85c", "c"],
    ),
]


@pytest.mark.parametrize(("data", "said"), [case[1:] for case in WHOLE], ids=[w[0] for w in WHOLE])
def test_what_is_whole_comes_in_and_nothing_is_told(
    tmp_path: Path, data: bytes, said: str | list[str]
) -> None:
    assert read(tmp_path, data) == (list(said), ())


MENDED = [
    ("NULs before a record", A + b"\n\0\0\0" + B, "ab", 2, "3 NUL bytes left out", 1),
    ("a NUL between records", A + b"\n" + B + b"\0" + C, "abc", 2, "a NUL byte left out", None),
    ("NULs after a record", A + b"\n" + B + b"\0\0", "ab", 2, "2 NUL bytes left out", None),
    ("NULs at the begin of the file", b"\0\0" + A + b"\n" + B, "ab", 1, "2 NUL bytes", 1),
    ("a mark in the middle", A + b"\n\xef\xbb\xbf" + B, "ab", 2, "a byte order mark left out", 1),
    ("NaN", A + b"\n" + B[:-1] + b', "cost": NaN}', "ab", 2, "the number NaN became a text", 102),
    ("a float out of reach", A + b"\n" + B[:-1] + b', "n": 1e999}', "ab", 2, "1e999 became", 99),
    ("a key twice", A + b"\n" + B[:-1] + b', "uuid": "x"}', "ab", 2, "'uuid' stands 2 times", 94),
    (
        "a raw tab in a text",
        A + b"\n" + B.replace(b'"b"}', b'"\tb"}'),
        ["a", "\tb"],
        2,
        "raw",
        None,
    ),
    (
        "a byte that is no UTF-8",
        A + b"\n" + B.replace(b'"b"}', b'"caf\xe9"}'),
        ["a", "caf\ufffd"],
        2,
        "bytes that are no UTF-8 became U+FFFD",
        92,
    ),
    (
        "two bytes that are no UTF-8",
        A + b"\n" + B.replace(b'"b"}', b'"\xff \xff"}'),
        ["a", "\ufffd \ufffd"],
        2,
        "(2 times)",
        None,
    ),
]


@pytest.mark.parametrize(
    ("data", "said", "number", "reason", "column"),
    [case[1:] for case in MENDED],
    ids=[case[0] for case in MENDED],
)
def test_record_with_a_fault_comes_in_mended_and_its_place_is_told(
    tmp_path: Path,
    data: bytes,
    said: str | list[str],
    number: int,
    reason: str,
    column: int | None,
) -> None:
    found, (told,) = read(tmp_path, data)
    assert found == list(said)
    assert (told.line, told.taken) == (number, True)
    assert reason in told.reason
    assert column is None or f"(column {column})" in told.reason


TORN = A[:-30]
LEFT_OUT = [
    ("a torn end", A + b"\n" + TORN, "a", 2, "it ends in the middle, as after a torn write"),
    ("a torn begin", A + b"\n" + B[20:] + b"\n" + C, "ac", 2, "not a JSON object"),
    ("a torn record, then a whole", C + b"\n" + TORN + B, "cb", 2, "no JSON"),
    ("torn outside of a text", C + b'\n{"type": "user", ' + B, "cb", 2, "no JSON"),
    ("torn after a value", C + b'\n{"type": "user"' + B, "cb", 2, "no JSON"),
    ("torn in a name", C + b'\n{"ty' + B, "cb", 2, "no JSON"),
    ("a hole in a record, then a whole", C + b"\n" + TORN + b"\0\0" + B, "cb", 2, "NUL bytes in"),
    ("a line of NULs", A + b"\n\0\0\0\n" + B, "ab", 2, "NUL bytes only"),
    ("a tail inside a character", A + b"\n" + line("\u4e2d").encode()[:-4], "a", 2, "torn write"),
    ("a torn first line", TORN + b"\n" + B + b"\n" + C, "bc", 1, "torn write"),
    ("a text in quotes that are not escaped", A + b'\n{"a": "b {"c": 1} d"}', "a", 2, "no JSON"),
    ("too deep", A + b'\n{"a": ' + b"[" * 300 + b"]" * 300 + b"}", "a", 2, "nested deeper"),
    ("much too deep", A + b'\n{"a": ' + b"[" * 99999 + b"]" * 99999 + b"}", "a", 2, "too deep"),
]


@pytest.mark.parametrize(
    ("data", "said", "number", "reason"),
    [case[1:] for case in LEFT_OUT],
    ids=[case[0] for case in LEFT_OUT],
)
def test_what_is_torn_is_left_out_and_told(
    tmp_path: Path, data: bytes, said: str, number: int, reason: str
) -> None:
    found, told = read(tmp_path, data)
    assert found == list(said)
    assert [bad.line for bad in told if not bad.taken] == [number]
    assert reason in told[0].reason


def test_object_inside_a_torn_record_is_no_record() -> None:
    whole = b'{"n":1}\n'
    content = content_of([whole, b'{"type": "user", "message": {"role": "user"}'])
    assert [record.value for record in content.records] == [{"n": 1}]


def test_item_of_a_torn_list_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_bytes(b"[\n" + A + b",\n" + B + b",\n" + C[:-5])
    assert "torn write (line 4, " in str(read_transcript(path).report.skipped)


def test_value_that_a_second_key_replaces_is_kept() -> None:
    value, _ = json_of(b'{"k": {"a": 1, "b": 0, "a": 1, "a": 2}}')
    assert value == {"k": {"duplicate_keys": {"a": [1, 1]}, "a": 2, "b": 0}}


def test_long_integer_of_a_faulty_line_becomes_a_text() -> None:
    value, faults = json_of(b'{"a": NaN, "n": ' + b"9" * 30_000 + b"}")
    assert value == {"a": "NaN", "n": "9" * 30_000}
    assert len(faults) == 2


def test_document_with_a_fault_is_a_document(tmp_path: Path) -> None:
    path = tmp_path / "run.traj"
    messages = '[{"role": "user", "content": "hi", "agent": "main"}]'
    path.write_text(f'{{"history": {messages},\n"info": {{"cost": NaN}},\n"trajectory": []}}')
    found = read_transcript(path)
    assert (found.report.format, found.report.messages) == ("swe-agent-traj", 1)
    assert found.report.bad_lines == (BadLine(2, "the number NaN became a text", taken=True),)


def test_two_sessions_on_one_line_stay_two(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    one, two = ({"messages": [{"role": "user", "content": text}]} for text in ("x", "y"))
    path.write_text(json.dumps(one) + json.dumps(two) + "\n" + json.dumps(one))
    first, second, third = (session.session_id for session in read_transcript(path).sessions)
    assert third == f"{first}-2"
    assert len({first, second, third}) == 3


@given(
    st.lists(
        st.sampled_from([A, B[:40], b"\0\0", b"\n", b"\xef\xbb\xbf", b"\xff", b"{", b'"', b",x"])
    )
)
def test_any_mixture_gives_records_or_an_error_of_json(parts: list[bytes]) -> None:
    try:
        content = content_of([b"".join(parts)])
    except json.JSONDecodeError:
        return
    assert all(record.value for record in content.records)


@pytest.mark.parametrize("size", [1, 3, 64, 1 << 20])
def test_size_of_the_chunks_does_not_matter(size: int) -> None:
    data = A + b"\r\n" + TORN + B + b"\n\0\0" + C + b"\n"
    found = content_of(data[at : at + size] for at in range(0, len(data), size))
    found.records += found.more or ()
    found.more = None
    assert found == content_of([data])


def test_memory_for_json_lines_is_that_of_the_records(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    text = "x" * 100_000
    path.write_bytes(b"\n".join(line(f"{n}{text}").encode() for n in range(200)))
    tracemalloc.start()
    found = only(path)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.records) == 200
    assert peak < kept + 8_000_000


# A file that is written to meanwhile


def meddled(monkeypatch: pytest.MonkeyPatch, acts: Iterator[object]) -> None:
    """Do the next act when a chunk of a file was read."""
    monkeypatch.setattr(snapshot, "CHUNK_BYTES", 64)
    chunks_read = snapshot._Snapshot._read

    def read_and_meddle(self: snapshot._Snapshot, size: int) -> Iterator[bytes]:
        for chunk in chunks_read(self, size):
            next(acts, None)
            yield chunk

    monkeypatch.setattr(snapshot._Snapshot, "_read", read_and_meddle)


def only(path: Path) -> source.Source:
    found = source._only(str(path))
    assert isinstance(found, source.Source)
    return found


def test_file_that_grows_meanwhile_gives_its_earlier_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_bytes(A + b"\n" + B + b"\n")

    def grow() -> Iterator[object]:
        with path.open("ab") as file:
            yield file.write(C + b"\n")

    meddled(monkeypatch, grow())
    found = only(path)
    assert [record.value["uuid"] for record in found.records] == ["a", "b"]
    assert found.bad_lines == ()


def test_file_that_is_rewritten_meanwhile_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_bytes(A + b"\n" + B + b"\n")
    meddled(
        monkeypatch, iter(path.write_bytes(new) for new in [C + b"\n" + C.replace(b'"c"', b'"d"')])
    )
    assert [record.value["uuid"] for record in only(path).records] == ["c", "d"]


def test_file_that_keeps_being_rewritten_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_bytes(A + b"\n" + B + b"\n")

    def rewrite() -> Iterator[object]:
        number = 0
        while True:
            number += 1
            yield path.write_bytes(line(f"{number:06d}").encode() + b"\n" + B + b"\n")

    meddled(monkeypatch, rewrite())
    reason = read_transcript(path).report.skipped
    assert reason == "cannot be read: it keeps being rewritten while it is read; import it again"


# What is no transcript

KINDS = [
    ("zeros", b"\0" * 100, "NUL bytes only"),
    (
        "SQLite, torn",
        b"SQLite format 3\0" + b"x" * 50,
        "a SQLite database that SQLite does not read",
    ),
    ("ZIP, torn", b"PK\x03\x04" + b"x" * 50, "a ZIP archive that is damaged"),
    ("gzip", b"\x1f\x8b\x08" + b"\0" * 20, "compressed with gzip; unpack it first"),
    ("JPEG", b"\xff\xd8\xff\xe0" + b"\0" * 20, "a picture (JPEG)"),
    ("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
    ("program", b"\x7fELF\x02\x01\x01" + b"\0" * 20, "a program"),
    ("other binary", b"\x05\x00\x09\x00" * 9, "binary data of no kind that is known here"),
    ("HTML", b"<!DOCTYPE html>\n<html><body>{}</body></html>", "but an HTML page"),
    ("prose", "Grüße aus dem Süden".encode(), "but plain text"),
    ("Latin-1", "Grüße".encode("latin-1"), "but text that is not UTF-8"),
    (
        "aider",
        b"# aider chat started at 2024-05-01 10:00:00\n\n#### fix\n\n<<<<<<< SEARCH\na\n=======\n",
        "but a chat history of aider (Markdown)",
    ),
    ("cut in a character", '["中'.encode()[:-1], "it ends in the middle, as after a torn write"),
    ("keys", b'{"name": 1, "version": 2}', "here: an object with 'name', 'version'"),
    ("no object", b"[1, 2]", "here: a list of 2 values"),
    ("messages", b'[{"role": "user", "content": "x", "ts": 1}]', "with 'role', 'content', 'ts'"),
    ("a log", b'{"a":1}\nx\ny\n', "more lines are no JSON than are (line 2, column 1)"),
]


@pytest.mark.parametrize(("data", "reason"), [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
def test_reason_says_what_a_file_is(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(data)
    assert reason in str(read_transcript(path).report.skipped)
