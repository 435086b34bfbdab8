"""Programs of other versions have been here: files and databases of the past and of the future.

Golden folders hold what each format version left on people's disks; golden schemas are what each
version of the index was made of, so that one cannot change and keep its number. The future is
made up: formats with fields that nobody knows yet, checkpoints too, databases with other tables
or with the same ones and another meaning, and two programs that make the index anew under each
other's hands.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import needs
import pytest

from localsessions import (
    ConflictError,
    FormatVersionError,
    SessionExistsError,
    SessionStore,
    UnreadableSessionError,
)
from localsessions._local.index import schema
from proof.counting import sized, tried
from proof.indexed import DATABASES, Indexed, answers, fill
from proof.verbs import VERBS

DATA = Path(__file__).parent.parent / "data"
ATTACK = "versions"
CURRENT = {
    "index.sqlite3": (schema.TABLES, schema.VERSION),
    "search.sqlite3": (schema.SEARCH_TABLES, schema.SEARCH_VERSION),
}
SCHEMAS = sorted(path.stem for path in (DATA / "schemas").glob("*.sql"))


# -- golden folders ------------------------------------------------------------------------------


@pytest.fixture(params=sorted(path.parent.name for path in DATA.glob("v*/store")))
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    copied = tmp_path / "golden"
    shutil.copytree(DATA / request.param / "store", copied)
    tried(ATTACK, "golden folders", 1)
    return copied


def contents(folder: Path) -> dict[str, bytes]:
    """Return what the files of a folder hold, but for what is derived."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*.json")
        if ".localsessions" not in path.parts
    }


def test_a_golden_folder_says_what_it_said(golden: Path) -> None:
    with SessionStore(golden) as store:
        listed = {one.session_id: one for one in store.list()}
        assert {name: (one.title, one.status) for name, one in listed.items()} == {
            "chat": ("The parser", "active"),
            "forked": ("The parser", "archived"),
            "имя: odd?": ("percent-encoded", "active"),
            "torn": ("", "unreadable"),
        }
        chat = store.load("chat")
        assert [message["content"] for message in chat.messages] == [
            "Why does the лексер fail?",
            "索引",
        ]
        assert chat.runs[0]["metrics"] == {"input_tokens": 2**70}
        assert (chat.current_agent, chat.tags, chat.pinned) == (
            "reviewer",
            ["work", "слово"],
            True,
        )
        forked = store.load("forked")
        assert forked.extra == {"x-unknown": {"kept": [1, -0.0]}}
        assert (forked.forked_from["session_id"], forked.modules, forked.state) == (
            "chat",
            {"friday": {"name": "Friday"}},
            {"branch": "main"},
        )
        assert {hit.session.session_id for hit in store.search("索引")} == {"chat", "forked"}


def test_the_checkpoints_and_the_trash_of_a_golden_folder_come_back(golden: Path) -> None:
    with SessionStore(golden) as store:
        assert [store.load_checkpoint("chat", one).data for one in store.checkpoints("chat")] == [
            ["anything", None, 0.5],
            {"step": 1},
        ]
        assert [item.session_id for item in store.trash()] == ["gone"]
        assert store.restore("gone").messages[0]["content"] == "from the trash"
        assert store.load_checkpoint("gone").data == {"step": "gone"}


def test_reading_a_golden_folder_changes_no_file(golden: Path) -> None:
    before = contents(golden)
    with SessionStore(golden) as store:
        store.list(fresh=True)
        store.search("parser")
        assert [one.kind for one in store.verify()] == ["unreadable"]
        store.reindex()
        for name in ("chat", "forked", "имя: odd?"):
            store.save(store.load(name))
            store.tail(name, 1)
        store.trash()
        store.cleanup(max_age=0, dry_run=True)
    assert contents(golden) == before


def test_what_is_written_into_a_golden_file_is_all_that_changes(golden: Path) -> None:
    before = (golden / "forked.json").read_text("utf-8").splitlines()
    with SessionStore(golden) as store:
        store.rename("forked", "A new title")
    after = (golden / "forked.json").read_text("utf-8").splitlines()
    changed = {line.split('"')[1] for line in {*after} ^ {*before}}
    assert changed == {"title", "updated_at", "revision"}
    assert len(after) == len(before)


# -- files from the future -----------------------------------------------------------------------

FUTURE = ["localsessions/2", "localsessions/0", "localsessions/999999999999"]
ABSURD: list[object] = ["other/1", "localsessions/1.5", "localsessions/-1", "", 7, True, [], {}]


def to_future(path: Path, form: object) -> bytes:
    """Let a file be of another format, with fields that nobody knows yet; return its bytes."""
    text = path.read_text("utf-8")
    future = re.sub(r'"format": "[^"]*"', f'"thoughts": {{"deep": [1]}}, "format": {form}', text)
    assert future != text
    path.write_text(future, "utf-8", newline="")
    return path.read_bytes()


def futures(folder: Path, form: object) -> list[bytes]:
    """Let all sessions be of another format, those in the trash and torn ones too."""
    paths = [*folder.glob("*.json"), *(folder / ".trash").glob("*.json")]
    return sorted(to_future(path, json.dumps(form)) for path in paths)


# What may be done with a file that is not understood: it is moved as it is, or left.
MOVES = {
    "delete", "delete with checkpoints", "restore", "restore with checkpoints",
    "cleanup", "purge_expired", "delete_many", "delete_many with checkpoints",
}  # fmt: skip
REMOVES = {"empty_trash", "empty_trash with checkpoints", "leave"}
BESIDE = {
    "open", "create", "create the first", "get_or_create", "create_many", "save a new one",
    "repair", "reindex", "forget_deletions", "bring",
    "save_checkpoint", "save_checkpoint again", "delete_checkpoint", "clear_checkpoints",
}  # fmt: skip


@pytest.mark.parametrize("name", VERBS)
def test_no_verb_ever_writes_a_file_of_another_format(name: str, folder: Path) -> None:
    # ``adopt`` is there to write over what is no session.
    forms = [*FUTURE] if name == "adopt" else [*FUTURE, *ABSURD]
    for form in forms if sized(0, 1) else (forms[list(VERBS).index(name) * 3 % len(forms)],):
        shutil.rmtree(folder, ignore_errors=True)
        VERBS[name].prepare(folder)
        before = futures(folder, form) if folder.exists() else []
        is_refused = name not in MOVES | BESIDE | REMOVES
        error = FormatVersionError if form in FUTURE else UnreadableSessionError
        with SessionStore(folder) as store:
            if is_refused:
                with pytest.raises((error, ExceptionGroup)) as caught:
                    VERBS[name].act(store)
                told = getattr(caught.value, "exceptions", (caught.value,))
                assert {type(one) for one in told} == {error}
            else:
                with suppress(UnreadableSessionError):  # said by restore: it is back all the same
                    VERBS[name].act(store)
        paths = [*folder.glob("*.json"), *(folder / ".trash").glob("*.json")]
        after = sorted(data for path in paths if b'"thoughts"' in (data := path.read_bytes()))
        assert after == ([] if name in REMOVES else before), form
        assert is_refused <= (len(paths) == len(before)), "a refused verb has made a file"
        tried(ATTACK, "verbs on files of another format", 1)


@pytest.mark.parametrize("form", FUTURE)
def test_a_file_from_the_future_is_read_as_far_as_it_can_be(form: str, folder: Path) -> None:
    VERBS["append"].prepare(folder)
    before = to_future(folder / "s.json", json.dumps(form))
    with SessionStore(folder) as store:
        session = store.load("s")
        assert (session.format, session.title, len(session.messages)) == (form, "old", 2)
        assert session.extra == {"thoughts": {"deep": [1]}}
        assert [one.title for one in store.list()] == ["old"]
        assert store.count(status="active") == 1
        assert [hit.session.session_id for hit in store.search("work")] == ["s"]
        (finding,) = store.verify()
        assert (finding.kind, finding.automatic) == ("newer format", False)
        with pytest.raises(ValueError, match="needs a person"):
            store.repair(finding)
        assert [one.session_id for one in store.cleanup(max_age=0, dry_run=True).deleted] == ["s"]
    assert (folder / "s.json").read_bytes() == before
    tried(ATTACK, "formats", 1)


@pytest.mark.parametrize("form", ABSURD)
def test_a_file_of_an_absurd_format_is_listed_as_unreadable(form: object, folder: Path) -> None:
    VERBS["append"].prepare(folder)
    before = to_future(folder / "s.json", json.dumps(form))
    with SessionStore(folder) as store:
        with pytest.raises(UnreadableSessionError, match="format"):
            store.load("s")
        (one,) = store.list()
        assert one.unreadable is not None
        assert "format" in one.unreadable.reason
        assert store.search("work") == []
        (finding,) = store.verify()
        assert (finding.kind, finding.automatic) == ("unreadable", False)
        assert store.cleanup(max_age=0).deleted == ()
    assert (folder / "s.json").read_bytes() == before
    tried(ATTACK, "formats", 1)


def test_a_format_of_null_is_none_said(folder: Path) -> None:
    VERBS["append"].prepare(folder)
    to_future(folder / "s.json", "null")
    with SessionStore(folder) as store:
        store.rename("s", "new")
        assert json.loads((folder / "s.json").read_bytes())["format"] == "localsessions/1"
        assert store.load("s").extra == {"thoughts": {"deep": [1]}}


@pytest.mark.parametrize("form", FUTURE)
def test_a_file_that_became_one_of_the_future_is_neither_merged_nor_replaced(
    form: str, folder: Path
) -> None:
    VERBS["append"].prepare(folder)
    with SessionStore(folder) as store:
        mine = store.load("s")
        mine.title = "mine"
        before = to_future(folder / "s.json", json.dumps(form))
        with pytest.raises(FormatVersionError):
            store.save(mine, on_conflict="merge")
        with pytest.raises(ConflictError):
            store.save(mine)
        with pytest.raises(SessionExistsError):
            store.create("s")
        assert (folder / "s.json").read_bytes() == before
        store.delete("s")
        store.create("s", title="a new one")
        with pytest.raises(SessionExistsError):
            store.restore("s")
        store.delete("s")
        store.empty_trash(max_age=3600)
        assert len(store.trash()) == 2
    assert before in contents(folder).values()


def test_a_checkpoint_from_the_future_is_read_and_left_alone(folder: Path) -> None:
    VERBS["delete_checkpoint"].prepare(folder)
    first, last = sorted((folder / "s.checkpoints").iterdir())
    form = json.dumps("localsessions-checkpoint/2")
    before = {first: to_future(first, form), last: to_future(last, form)}
    with SessionStore(folder) as store:
        assert store.load_checkpoint("s").data == {"step": 2}
        store.save_checkpoint("s", {"step": 3})
        store.append("s", {"role": "user", "content": "more"})
        assert store.verify() == []
        store.delete("s")
        store.restore("s")
        assert len(store.checkpoints("s")) == 3
    assert {path: path.read_bytes() for path in before} == before


def test_a_checkpoint_whose_data_is_elsewhere_is_unreadable_and_left_alone(folder: Path) -> None:
    VERBS["delete_checkpoint"].prepare(folder)
    last = max((folder / "s.checkpoints").iterdir())
    last.write_text(last.read_text().replace('"data"', '"data_of_2"'))
    before = last.read_bytes()
    with SessionStore(folder) as store:
        with pytest.raises(UnreadableSessionError):
            store.load_checkpoint("s")
        store.save_checkpoint("s", {"step": 3})
        assert store.load_checkpoint("s").data == {"step": 3}
    assert last.read_bytes() == before


# -- databases of other versions -----------------------------------------------------------------


@pytest.mark.parametrize("name", DATABASES)
def test_a_schema_cannot_change_and_keep_its_number(name: str) -> None:
    schema, version = CURRENT[name]
    golden = DATA / "schemas" / f"{name.partition('.')[0]}-{version}.sql"
    assert golden.read_text().split() == schema.split(), (
        "raise the version of the schema, and keep its text in a golden file of that number"
    )


def database_of(path: Path, schema: str, version: int) -> None:
    """Make a database as a program of that version would."""
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(schema)
        db.execute("CREATE TABLE IF NOT EXISTS identity (value TEXT NOT NULL)")
        db.execute("INSERT INTO identity VALUES ('of another version')")
        db.execute(f"PRAGMA user_version = {version}")


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    return Indexed(tmp_path_factory.mktemp("versions") / "sessions")


def assert_it_is_made_anew(indexed: Indexed, name: str) -> None:
    for _ in range(2):
        with SessionStore(indexed.folder, durability="fast") as store:
            assert indexed.faults(store) == []
            assert store.stats().counters["index_rebuilds"] <= 3
    assert version_of(indexed.room / name) == CURRENT[name][1]
    tried(ATTACK, "databases of other versions", 1)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_database_of_any_version_is_replaced(schema: str, indexed: Indexed) -> None:
    kind, _, version = schema.partition("-")
    name = f"{kind}.sqlite3"
    indexed.put_back(indexed.files)
    text = (DATA / "schemas" / f"{schema}.sql").read_text()
    database_of(indexed.room / name, text, int(version))
    assert_it_is_made_anew(indexed, name)


ANYWHERE = [
    (tables, version, name)
    for tables in ("none", "odd ones", "the same and more", "the same, filled")
    for version in (0, 1, -1, "next", 2**31 - 1)
    for name in DATABASES
]


@pytest.mark.parametrize(("tables", "version", "name"), ANYWHERE[:: sized(7, 1)])
def test_a_database_from_anywhere_is_emptied(
    tables: str, version: int | str, name: str, indexed: Indexed
) -> None:
    schema, current = CURRENT[name]
    odd = "CREATE TABLE sessions (odd); CREATE VIRTUAL TABLE words USING fts5 (other)"
    view = "CREATE TABLE more (x); CREATE VIEW later AS SELECT * FROM more"
    text = {
        "none": "",
        "odd ones": odd,
        "the same and more": f"{schema}; {view}",
        "the same, filled": schema,
    }[tables]
    indexed.put_back(indexed.files)
    number = current + 1 if version == "next" else int(version)
    if tables == "the same, filled":
        with closing(sqlite3.connect(indexed.room / name)) as db:
            db.execute(f"PRAGMA user_version = {number}")
    else:
        database_of(indexed.room / name, text, number)
    assert_it_is_made_anew(indexed, name)


@pytest.mark.parametrize("name", DATABASES)
def test_a_database_of_this_version_with_other_tables_changes_no_answer(
    name: str, indexed: Indexed
) -> None:
    schema, version = CURRENT[name]
    one_more = schema.replace("seal INTEGER NOT NULL", "seal INTEGER NOT NULL, more TEXT")
    for text in ("", "CREATE TABLE sessions (odd)", "CREATE TABLE texts (odd)", one_more):
        indexed.put_back(indexed.files)
        database_of(indexed.room / name, text, version)
        assert_it_is_made_anew(indexed, name)


# -- two versions at once ------------------------------------------------------------------------

_OTHER_VERSION = """
import sys
from localsessions._local.index import row, schema, table
schema.VERSION += int(sys.argv[2])
schema.SEARCH_VERSION += int(sys.argv[2])
if sys.argv[3] == "other tables":
        more = "role BLOB, more TEXT DEFAULT 'x',"
        schema.SEARCH_TABLES = schema.SEARCH_TABLES.replace("role BLOB,", more)
        schema.TABLES = schema.TABLES.replace("good TEXT,", "fine TEXT,")
        for name in ("SELECT", "_ONE", "_ALL_KNOWN", "_INSERT"):
            setattr(table, name, getattr(table, name).replace("good", "fine"))
        table.COLUMNS = tuple(name.replace("good", "fine") for name in table.COLUMNS)
if sys.argv[3] == "another meaning":
    from dataclasses import replace
    mark = "of another meaning: "
    def marked(one, packed=row._packed_summary):
        return packed(replace(one, preview=mark + one.preview))
    def unmarked(text, unpacked=row._unpacked_summary):
        one = unpacked(text)
        return replace(one, preview=one.preview.removeprefix(mark))
    row._packed_summary, row._unpacked_summary = marked, unmarked
from localsessions import SessionStore
with SessionStore(sys.argv[1], durability="fast") as store:
    print("open", flush=True)
    for line in sys.stdin:
        store.append("s1", {"role": "user", "content": f"other parser {line.strip()}"})
        hits = {hit.session.session_id for hit in store.search("parser", limit=99)}
        rebuilds = store.stats().counters["index_rebuilds"]
        print(store.count(), len(hits), store.load("s1").messages[-1]["content"], rebuilds,
              sep="|", flush=True)
"""


TWO = [
    (tables, step)
    for tables in ("another meaning", "the same tables", "other tables")
    for step in (1, -1)
]


@pytest.mark.parametrize(("tables", "step"), TWO[:: sized(5, 1)])
def test_two_versions_on_one_folder_make_the_index_anew_in_turn(
    step: int, tables: str, folder: Path
) -> None:
    fill(folder)
    rounds, rebuilds = sized(3, 25), 0
    with (
        SessionStore(folder, durability="fast") as store,
        subprocess.Popen(
            [sys.executable, "-c", _OTHER_VERSION, str(folder), str(step), tables],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        ) as other,
    ):
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        for number in range(rounds):
            other.stdin.write(f"{number}\n")
            count, hits, last, theirs = other.stdout.readline().strip().split("|")
            assert (count, hits, last) == ("25", "24", f"other parser {number}")
            rebuilds = int(theirs)
            store.append("s2", {"role": "user", "content": f"parser {number}"})
            assert store.count() == 25
            assert len(store.search("parser", limit=99)) == 24
            assert store.load("s1").messages[-1]["content"] == f"other parser {number}"
            listed = {one.session_id: one for one in store.list(limit=99)}
            assert listed["s2"].message_count == 3 + number + 1
            assert not [one for one in listed.values() if "meaning" in one.preview]
        mine = store.stats().counters["index_rebuilds"]
        other.stdin.close()
        assert other.wait() == 0
    # Each time that the other was here the index is lost once, and noticed in a step or two. Where
    # an open file cannot go, who loses the index first has it in memory from then on.
    least = rounds if needs.is_here("open files that go") else 1
    assert least <= mine <= 4 * rounds + 4
    assert least - 1 <= rebuilds <= 4 * rounds + 4
    tried(ATTACK, "turns of two versions", 2 * rounds)


def test_a_store_that_is_opened_by_another_version_later_is_as_it_was(folder: Path) -> None:
    fill(folder)
    with SessionStore(folder, durability="fast") as store:
        expected = answers(store)
    for step in ("1", "-1", "5")[: sized(1, 3)]:
        command = [sys.executable, "-c", _OTHER_VERSION, str(folder), step, "other tables"]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True, stdout=subprocess.DEVNULL)
        with SessionStore(folder, durability="fast") as store:
            assert answers(store) == expected
    tried(ATTACK, "turns of two versions", sized(1, 3))
