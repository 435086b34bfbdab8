"""A file with many sessions is read session by session, and memory does not grow with the file."""

from __future__ import annotations

import importlib
import json
import random
import sqlite3
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from localsessions import SessionStore
from localsessions.models import Session
from localsessions.transcripts import (
    BadLine,
    TranscriptFile,
    archives,
    databases,
    import_paths,
    read_transcript,
    snapshot,
    storing,
)
from localsessions.transcripts.elements import BrokenList, Element, elements_of
from localsessions.transcripts.importing import open_transcripts
from localsessions.transcripts.lines import content_of, fault_of
from localsessions.transcripts.source import Source, read_sources

TRANSCRIPTS = Path(__file__).parents[2] / "examples" / "transcripts"
EXPORTS = {
    "chatgpt": TRANSCRIPTS / "chatgpt" / "chatgpt-modern-export.json",
    "claude-ai": TRANSCRIPTS / "claude-ai" / "claude-ai-export.json",
}


def conversation(number: int, size: int = 100) -> dict[str, JsonValue]:
    """Return a conversation of Claude.ai with two messages of a size."""
    spoken: list[JsonValue] = [
        {"uuid": f"m{number}-{nth}", "sender": sender, "text": f"{nth} " + "x" * size}
        for nth, sender in enumerate(("human", "assistant"))
    ]
    return {"uuid": f"c{number}", "name": f"chat {number}", "chat_messages": spoken}


def written(path: Path, values: Sequence[JsonValue], between: str = ",\n") -> Path:
    path.write_text("[" + between.join(map(json.dumps, values)) + "]")
    return path


@pytest.fixture
def in_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "CHUNK_BYTES", 64)


def lines_of(path: Path, values: Sequence[JsonValue]) -> Path:
    path.write_text("".join(f"{json.dumps(value)}\n" for value in values))
    return path


def told(found: TranscriptFile) -> list[tuple[int, str, bool]]:
    return [(bad.line, bad.reason, bad.taken) for bad in found.report.bad_lines]


def ids(found: TranscriptFile) -> list[str]:
    return [session.session_id for session in found.sessions]


# -- elements ------------------------------------------------------------------------------------


def cut(data: bytes, size: int) -> tuple[list[Element], str | None]:
    """Return the elements of a list in chunks of a size, and what was wrong with it."""
    found: list[Element] = []
    try:
        found.extend(elements_of(data[at : at + size] for at in range(0, len(data), size)))
    except BrokenList as broken:
        return found, broken.reason
    return found, None


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
)


@given(st.lists(values), st.integers(1, 40), st.sampled_from([None, 2]), st.booleans())
def test_elements_are_those_of_the_whole_list(
    listed: list[JsonValue], size: int, indent: int | None, ascii_only: bool
) -> None:
    data = json.dumps(listed, indent=indent, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    # The opening bracket has to stand in the first chunk.
    found, fault = cut(data, size)
    assert (fault, [json.loads(element.data) for element in found]) == (None, listed)
    lines = data.split(b"\n")
    assert all(element.data.split(b"\n")[0] in lines[element.line - 1] for element in found)


@pytest.mark.parametrize(
    ("data", "said", "reason"),
    [
        (b"[1, 2", [b"1"], "it ends in the middle, as after a torn write"),
        (b'[1, "2', [b"1"], "it ends in the middle, as after a torn write"),
        (b'["\\', [], "it ends in the middle, as after a torn write"),
        (b"[1, [2}, 3]", [b"1"], "no JSON: '}' closes what was opened otherwise"),
        (b"[1] 2", [b"1"], "something follows the list"),
        (b"[1]]", [b"1"], "something follows the list"),
        (b"[1]\0\0", [b"1", b"\0\0"], None),
        (b"[1,,2,]", [b"1", b"", b"2", b""], None),
        (b"\xef\xbb\xbf [ ]", [], None),
        (rb'["a\\", "\"]", "]"]', [rb'"a\\"', rb'"\"]"', b'"]"'], None),
    ],
)
def test_fault_of_a_list_is_told_after_its_whole_elements(
    data: bytes, said: list[bytes], reason: str | None
) -> None:
    for size in (5, 6, 100):
        found, fault = cut(data, size)
        assert ([element.data for element in found], fault) == (said, reason)


# -- sessions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPORTS)
def test_sessions_of_small_chunks_are_those_of_the_whole_file(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_transcript(EXPORTS[name])
    monkeypatch.setattr(snapshot, "CHUNK_BYTES", 64)
    assert read_transcript(EXPORTS[name]) == whole


LISTS: dict[str, Callable[[int], JsonValue]] = {
    "claude-ai-export": lambda number: conversation(number, 10),
    "sharegpt": lambda number: {"conversations": [{"from": "human", "value": f"x{number}"}]},
    "llama-factory": lambda number: {
        "chosen_messages": [{"role": "user", "content": [{"type": "text", "value": "x"}]}],
        "rejected_messages": [{"role": "user", "content": [{"type": "text", "value": "y"}]}],
    },
    "openai-messages": lambda number: {"role": "user", "content": f"x{number}"},
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("oddities", [[], [7, None, {}, [1], "x"]])
def test_every_format_of_lists_is_the_same_in_small_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, oddities: list[JsonValue]
) -> None:
    listed = [LISTS[name](number) for number in range(20)]
    is_one_session = name == "openai-messages"
    path = written(tmp_path / "list.json", listed if is_one_session else listed + oddities)
    whole = read_transcript(path)
    assert whole.report.format == name
    monkeypatch.setattr(snapshot, "CHUNK_BYTES", 64)
    assert read_transcript(path) == whole


LINES: dict[str, Callable[[int], JsonValue]] = {
    "sharegpt": LISTS["sharegpt"],
    "llama-factory": LISTS["llama-factory"],
    "openai-messages": lambda number: {"messages": [{"role": "user", "content": f"x{number}"}]},
    "claude-jsonl": lambda number: {
        "type": "user",
        "sessionId": "s",
        "uuid": f"u{number}",
        "message": {"role": "user", "content": f"x{number}"},
    },
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("oddities", [[], [7, None, {}, [1], "x"]])
def test_every_format_of_lines_is_the_same_in_small_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, oddities: list[JsonValue]
) -> None:
    path = lines_of(tmp_path / "lines.jsonl", [LINES[name](number) for number in range(20)])
    with path.open("a") as file:
        file.write("".join(f"{json.dumps(value)}\n" for value in oddities) + '{"torn": ')
    whole = read_transcript(path)
    assert whole.report.format == name
    assert sum(len(session.messages) for session in whole.sessions) in (20, 40)
    monkeypatch.setattr(snapshot, "CHUNK_BYTES", 64)
    assert read_transcript(path) == whole


@pytest.mark.usefixtures("in_small_chunks")
def test_lines_whose_beginning_tells_nothing_are_read_on(tmp_path: Path) -> None:
    unknown: list[JsonValue] = [{"type": "progress", "at": number} for number in range(9)]
    path = lines_of(tmp_path / "lines.jsonl", [*unknown, LINES["claude-jsonl"](0)])
    assert read_transcript(path).report.format == "claude-jsonl"


@pytest.mark.parametrize("chunk_bytes", [64, 1 << 20])
@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("<<<<<<< ours", "merge conflict markers; resolve the conflict (line 10, column 1)"),
        ("no JSON\n" * 10, "more lines are no JSON than are (line 10, column 1)"),
    ],
)
def test_fault_in_lines_refuses_those_that_are_one_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int, ending: str, reason: str
) -> None:
    monkeypatch.setattr(snapshot, "CHUNK_BYTES", chunk_bytes)
    found: dict[str, TranscriptFile] = {}
    for name in ("claude-jsonl", "sharegpt"):
        path = lines_of(tmp_path / f"{name}.jsonl", [LINES[name](number) for number in range(9)])
        path.write_text(path.read_text() + ending)
        found[name] = read_transcript(path)
    refused, taken = found["claude-jsonl"], found["sharegpt"]
    assert refused.sessions == ()
    assert refused.report.skipped == f"neither JSON nor JSON Lines: {reason}"
    assert len(taken.sessions) == 9
    assert [bad.line for bad in taken.report.bad_lines][:1] == [10]


@given(st.data(), st.booleans())
def test_cut_and_garbled_files_are_the_same_in_small_chunks(
    data: st.DataObject, are_lines: bool
) -> None:
    listed = [LISTS["sharegpt"](number) for number in range(6)]
    lines = "\n".join(map(json.dumps, listed))
    text = bytearray((lines if are_lines else json.dumps(listed, indent=1)).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(1, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.sampled_from([b"", b'"', b"{", b"]", b"\\", b"\0\0", b"\xff", b",", b"NaN", b"\n"])
        )
    text = text[: data.draw(st.integers(20, len(text)))]
    whole = objects_of(bytes(text), len(text))
    assert objects_of(bytes(text), 7) == whole
    assert objects_of(bytes(text), 50) == whole


def objects_of(text: bytes, size: int) -> list[JsonValue]:
    """Return the objects of a list or of lines in chunks of a size; none if they are refused."""
    try:
        content = content_of([text[at : at + size] for at in range(0, len(text), size)])
    except json.JSONDecodeError:
        return []
    listed = content.document if isinstance(content.document, list) else []
    records = [*content.records, *(content.more or ())]
    if records and fault_of(records, content.bad_lines):
        return []
    every = [*listed, *(record.value for record in records), *(content.rest or ())]
    return [value for value in every if isinstance(value, dict)]


@pytest.mark.usefixtures("in_small_chunks")
def test_what_is_whole_of_a_torn_export_comes_in(tmp_path: Path) -> None:
    path = written(tmp_path / "conversations.json", [conversation(n, 10) for n in range(9)])
    path.write_bytes(path.read_bytes()[:-30])
    found = read_transcript(path)
    assert ids(found) == [f"c{number}" for number in range(8)]
    assert told(found) == [(9, "it ends in the middle, as after a torn write", False)]


def test_what_is_whole_of_a_short_torn_export_comes_in(tmp_path: Path) -> None:
    path = written(tmp_path / "conversations.json", [conversation(n, 10) for n in range(9)])
    path.write_bytes(path.read_bytes()[:-30])
    found = read_transcript(path)
    assert ids(found) == [f"c{number}" for number in range(8)]
    assert [bad[0] for bad in told(found)] == [9]


@pytest.mark.usefixtures("in_small_chunks")
def test_element_with_a_fault_is_left_out_or_mended_with_its_line(tmp_path: Path) -> None:
    listed = [json.dumps(conversation(number, 10)) for number in range(5)]
    listed[1] = listed[1].replace('"name"', "name")
    listed[2] = listed[2].replace('"chat 2"', "NaN")
    listed[3] = listed[3].replace("xx", "\xff").encode("latin-1").decode(errors="surrogateescape")
    path = tmp_path / "conversations.json"
    text = "[" + ",\n".join(listed) + "]\0\0"
    path.write_bytes(text.encode(errors="surrogateescape"))
    found = read_transcript(path)
    assert ids(found) == ["c0", "c2", "c3", "c4"]
    assert [(line, taken) for line, _, taken in told(found)] == [
        (2, False),
        (3, True),
        (4, True),
        (5, True),
    ]


@pytest.mark.usefixtures("in_small_chunks")
@pytest.mark.parametrize("ending", ["]", '{"role": "us', "]x"])
def test_torn_list_that_is_one_session_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "messages.json"
    said = ",\n".join(['{"role": "user", "content": "hi"}'] * 9)
    path.write_text(f"[{said}" + (ending if ending == "]" else f",\n{ending}"))
    report = read_transcript(path).report
    assert (report.messages, report.skipped is None) == ((9, True) if ending == "]" else (0, False))


@pytest.mark.usefixtures("in_small_chunks")
def test_list_that_begins_as_nothing_known_is_not_read_on(tmp_path: Path) -> None:
    path = written(tmp_path / "list.json", [{"some": "thing", "number": n} for n in range(90)])
    (found,) = read_sources(str(path))
    assert isinstance(found, Source)
    assert isinstance(found.document, list)
    assert len(found.document) < 9
    report = read_transcript(path).report
    assert str(report.skipped).endswith("objects with 'some', 'number' and more")


def test_line_of_json_lines_that_begins_as_a_list_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    chat = '{"messages": [{"role": "user", "content": "hi"}]}\n'
    path.write_text('[{"torn": 1}]}]\n' + chat * 3)
    found = read_transcript(path)
    assert (len(found.sessions), [bad[0] for bad in told(found)]) == (3, [1])


# -- archives and databases ----------------------------------------------------------------------


@pytest.mark.parametrize("is_damaged", [False, True])
def test_damaged_export_in_a_zip_gives_no_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_damaged: bool
) -> None:
    monkeypatch.setattr(archives, "CHUNK_BYTES", 64)
    path = tmp_path / "export.zip"
    listed = written(tmp_path / "conversations.json", [conversation(n, 500) for n in range(9)])
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(listed, "conversations.json")
    if is_damaged:
        at = path.read_bytes().rindex(b"xxx")
        path.write_bytes(path.read_bytes()[:at] + b"y" + path.read_bytes()[at + 1 :])
    found = read_transcript(path)
    assert len(found.sessions) == (0 if is_damaged else 9)
    assert ("damaged: Bad CRC" in str(found.report.skipped)) == is_damaged


@pytest.mark.needs("zstd")
def test_export_in_torn_zstd_gives_what_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "CHUNK_BYTES", 64)
    signs = random.Random(1)
    listed = [conversation(n) | {"noise": signs.randbytes(4000).hex()} for n in range(100)]
    data = written(tmp_path / "list.json", listed).read_bytes()
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    packed: bytes = importlib.import_module(name).compress(data)
    path = tmp_path / "conversations.json.zst"
    path.write_bytes(packed[: len(packed) // 2])
    found = read_transcript(path)
    assert found.report.skipped is None
    assert 10 < len(found.sessions) < 90
    assert sorted(reason for _, reason, _ in told(found)) == [
        "compressed with zstd, and it ends in the middle, as after a torn write",
        "it ends in the middle, as after a torn write",
    ]


def opencode(path: Path, count: int, text: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE session (id PRIMARY KEY, title, time_created)")
        database.execute("CREATE TABLE message (id, session_id, time_created, data)")
        database.execute("CREATE TABLE part (id, message_id, session_id, data)")
        for number in range(count):
            own = f"s{number:04}"
            part = json.dumps({"type": "text", "text": text})
            database.execute("INSERT INTO session VALUES (?, 't', 1)", [own])
            database.execute("INSERT INTO message VALUES ('m', ?, 1, ?)", [own, '{"role":"user"}'])
            database.execute("INSERT INTO part VALUES ('p', 'm', ?, ?)", [own, part])


def cursor(path: Path, count: int, text: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE cursorDiskKV (key TEXT UNIQUE, value BLOB)")
        for number in range(count):
            bubble = json.dumps({"bubbleId": "b", "type": 1, "text": text})
            for key, value in (("composerData:c", "{}"), ("bubbleId:c", bubble)):
                name = f"{key}{number:04}" + (":b" if value == bubble else "")
                database.execute("INSERT INTO cursorDiskKV VALUES (?, ?)", [name, value])


def read_peak(path: Path, count: int) -> int:
    tracemalloc.start()
    given = sum(1 for stream in open_transcripts(path) for _session in stream)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert given == count
    return peak


@pytest.mark.parametrize("make", [opencode, cursor])
def test_memory_for_a_database_does_not_grow_with_it(
    tmp_path: Path, make: Callable[[Path, int, str], None]
) -> None:
    for count in (5, 100):
        make(tmp_path / f"{count}.db", count, "x" * 100_000)
    assert read_peak(tmp_path / "100.db", 100) < 1.5 * read_peak(tmp_path / "5.db", 5)


@pytest.mark.parametrize("make", [opencode, cursor])
def test_session_of_a_database_that_was_written_to_meanwhile_is_not_given(
    tmp_path: Path, make: Callable[[Path, int, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.db"
    make(path, 5, "x")
    checks = iter([None, None, OSError(None, "a database that goes on changing")])

    def check(_database: databases.Database) -> None:
        if error := next(checks):
            raise error

    monkeypatch.setattr(databases.Database, "check", check)
    found = read_transcript(path)
    assert len(found.sessions) == 2
    assert found.report.skipped is None
    assert told(found) == [
        (0, "from here on it cannot be read: a database that goes on changing", False)
    ]


# -- a file that is written to meanwhile ---------------------------------------------------------


def streamed(path: Path, act: Callable[[], object]) -> Iterator[tuple[bool, list[str], object]]:
    """Yield what each stream of a file gives, where something is done after its first session."""
    acts = iter([act])
    for stream in open_transcripts(path):
        given: list[str] = []
        for session in stream:
            given.append(session.session_id)
            next(acts, lambda: None)()
        yield stream.is_given_again, given, stream.report().skipped


@pytest.mark.usefixtures("in_small_chunks")
@pytest.mark.parametrize("write", [written, lines_of])
def test_file_that_is_rewritten_meanwhile_is_given_again(
    tmp_path: Path, write: Callable[[Path, Sequence[JsonValue]], Path]
) -> None:
    def named(number: int) -> JsonValue:
        said: list[JsonValue] = [{"from": "human", "value": "x" * 500}]
        return {"id": f"c{number}", "conversations": said}

    path = write(tmp_path / "conversations.json", [named(number) for number in range(4)])
    rewritten = [named(number) for number in range(7, 10)]
    first, second = streamed(path, lambda: write(path, rewritten))
    assert first[0]
    assert "c7" not in first[1]
    assert second == (False, ["c7", "c8", "c9"], None)


@pytest.mark.usefixtures("in_small_chunks")
def test_list_that_is_touched_or_grows_meanwhile_is_given_once(tmp_path: Path) -> None:
    path = written(tmp_path / "conversations.json", [conversation(n, 500) for n in range(4)])

    def grow() -> None:
        with path.open("a") as file:
            file.write(" [garbage")

    assert [*streamed(path, grow)] == [(False, ["c0", "c1", "c2", "c3"], None)]


@pytest.mark.usefixtures("in_small_chunks")
def test_list_that_is_rewritten_meanwhile_is_stored_once(
    tmp_path: Path, store: SessionStore
) -> None:
    path = written(tmp_path / "conversations.json", [conversation(n, 500) for n in range(4)])
    rewritten = iter([[conversation(n, 700) for n in range(6)]])

    def wants(_session: Session) -> bool:
        for values in rewritten:
            written(path, values)
        return True

    report = import_paths(store, [path], wants_session=wants)
    assert [(file.sessions, file.messages) for file in report.files] == [(6, 12)]
    assert store.count() == 6
    loaded = store.load("c0")
    assert [len(str(message["content"])) for message in loaded.messages] == [702, 702]


@pytest.mark.usefixtures("in_small_chunks")
def test_list_that_keeps_being_rewritten_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "conversations.json", [conversation(n, 500) for n in range(4)])
    reports = []
    for size, stream in enumerate(open_transcripts(path), start=501):
        for _session in stream:
            written(path, [conversation(n, size) for n in range(4)])
        reports.append((stream.is_given_again, stream.report()))
    assert [again for again, _ in reports] == [True, True, False]
    assert reports[-1][1].bad_lines == (
        BadLine(
            0,
            "from here on it cannot be read: it keeps being rewritten while it is read; "
            "import it again",
        ),
    )


# -- memory --------------------------------------------------------------------------------------

IMPORT = """
import sys, tracemalloc
from localsessions import SessionStore
from localsessions.transcripts import import_paths
with SessionStore(sys.argv[2], durability="fast") as store:
    import_paths(store, [])
    tracemalloc.start()
    report = import_paths(store, [sys.argv[1]])
    print(report.total.imported, tracemalloc.get_traced_memory()[1])
"""


def peak_bytes(path: Path, count: int) -> int:
    """Return the peak of memory of an import in a process of its own."""
    said = subprocess.run(
        [sys.executable, "-c", IMPORT, str(path), f"{path}.sessions"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    imported, peak = map(int, said.split())
    assert imported == count
    return peak


def many(path: Path, count: int) -> Path:
    signs = random.Random(1)
    return written(path, [conversation(n, signs.randrange(4_000, 6_000)) for n in range(count)])


def many_lines(path: Path, count: int) -> Path:
    signs = random.Random(1)
    texts = (f"{number} " + "x" * signs.randrange(8_000, 12_000) for number in range(count))
    said: list[JsonValue] = [{"messages": [{"role": "user", "content": text}]} for text in texts]
    return lines_of(path, said)


@pytest.mark.parametrize("make", [many, many_lines])
def test_memory_for_many_sessions_is_bounded_by_what_waits(
    tmp_path: Path, make: Callable[[Path, int], Path]
) -> None:
    short = peak_bytes(make(tmp_path / "short.json", 400), 400)
    long = peak_bytes(make(tmp_path / "long.json", 2_000), 2_000)
    assert long < 1.3 * short


def test_sessions_wait_for_each_other_up_to_a_size(
    tmp_path: Path, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "list.json", [conversation(n, 500) for n in range(7)])
    monkeypatch.setattr(storing, "_TOGETHER_BYTES", 2500)
    stored: list[int] = []

    def wants(_session: Session) -> bool:
        stored.append(store.count())
        return True

    import_paths(store, [path], wants_session=wants)
    assert stored == [0, 0, 0, 3, 3, 3, 6]


def test_memory_for_one_long_session_is_a_multiple_of_it(tmp_path: Path) -> None:
    path = written(tmp_path / "one.json", [conversation(0, 10_000_000), conversation(1)])
    assert peak_bytes(path, 2) < 18 * path.stat().st_size
