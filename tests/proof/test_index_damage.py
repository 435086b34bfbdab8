"""The databases of the index are damaged in every way there is; no answer may be wrong.

Every page of each file is overwritten in turn, files are cut, bits flipped, journals of another
time put beside, another store's databases put in their place; they are locked for ever, and the
disk refuses to take them. What is asked afterwards is all that the index is asked for, and what a
client is told that was away: it is told all that it missed, or to list again, never too little.

A damage that is there when a store is opened is never seen. One that is done to the file under an
open store is found by the next look at the folder, and one in the words by the next opening;
before that an answer may lack something, and never invents.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TypeAlias, TypeVar

import pytest
from inside import local

from localsessions import SessionExistsError, SessionStore
from localsessions._local.index import database
from proof.counting import sized, tried
from proof.indexed import (
    DATABASES,
    ROOM,
    SUFFIXES,
    Indexed,
    answers,
    fill,
    fresh_answers,
    told,
    write,
)
from proof.mounts import memory_disk

PAGE = 4096
JOURNALS = ("-wal", "-shm")
ATTACK = "index damage"

Page: TypeAlias = Callable[[bytes, int, bytes], bytes]
"""What takes the place of a page: (the whole file, where the page begins, an older file)."""

_noise = random.Random(7)
T = TypeVar("T")


def some(cases: Collection[T], every: int) -> list[T]:
    """All cases under `make proof`, each so-and-so-many-th in every run of the tests."""
    return list(cases)[:: sized(every, 1)]


PAGES: dict[str, Page] = {
    "noise": lambda whole, at, older: _noise.randbytes(PAGE),
    "zeros": lambda whole, at, older: bytes(PAGE),
    "ones": lambda whole, at, older: b"\xff" * PAGE,
    "the next page": lambda whole, at, older: (whole[at + PAGE :] + whole)[:PAGE],
    "the page of an older time": lambda whole, at, older: older[at : at + PAGE],
}


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    return Indexed(tmp_path_factory.mktemp("damage") / "sessions")


def opened(indexed: Indexed) -> SessionStore:
    return SessionStore(indexed.folder, durability="fast")


def faults_of(indexed: Indexed) -> list[str]:
    """What a store that is opened now does not answer right."""
    with opened(indexed) as store:
        return indexed.faults(store)


def overwritten(whole: bytes, at: int, data: bytes) -> bytes:
    return whole[:at] + data[: len(whole) - at] + whole[at + len(data) :]


# -- pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DATABASES)
def test_any_garbled_page_changes_no_answer(name: str, indexed: Indexed) -> None:
    whole, older = indexed.files[name], indexed.older[name]
    garbled = 0
    for number, at in enumerate(range(0, len(whole), PAGE)):
        kinds = list(PAGES)
        for kind in sized(1, 0) * [kinds[number % len(kinds)]] or kinds:
            page = PAGES[kind](whole, at, older)
            if not page or page == whole[at : at + PAGE]:
                continue
            indexed.put_back(indexed.files, **{name: overwritten(whole, at, page)})
            assert faults_of(indexed) == [], f"page {at // PAGE} is {kind}"
            garbled += 1
    assert garbled >= sized(12, 50)
    tried(ATTACK, "pages garbled", garbled)


@pytest.mark.parametrize("name", DATABASES)
@pytest.mark.parametrize("journal", JOURNALS)
def test_any_garbled_page_of_a_journal_changes_no_answer(
    journal: str, name: str, indexed: Indexed
) -> None:
    whole = indexed.journaled[f"{name}{journal}"]
    # Pages of a -wal stand behind 32 bytes, each after 24 of its own: none begins at 4,096.
    places = range(0, len(whole), sized(8 * PAGE, PAGE // 2))
    for number, at in enumerate(places):
        kind = ("noise", "zeros", "ones", "the next page")[number % 4]
        garbled = overwritten(whole, at, PAGES[kind](whole, at, b""))
        indexed.put_back(indexed.journaled, **{f"{name}{journal}": garbled})
        assert faults_of(indexed) == [], f"{at} is {kind}"
    tried(ATTACK, "pages garbled", len(places))


@pytest.mark.parametrize("name", DATABASES)
@pytest.mark.parametrize("of", ["an older time", "the other database"])
def test_a_journal_of_another_time_or_database_changes_no_answer(
    of: str, name: str, indexed: Indexed
) -> None:
    (other,) = set(DATABASES) - {name}
    source = name if of == "an older time" else other
    for files in (indexed.files, indexed.journaled):
        for names in (["-wal"], ["-shm"], ["-wal", "-shm"]):
            wrong = {f"{name}{end}": indexed.older_journaled[f"{source}{end}"] for end in names}
            indexed.put_back({**files, **wrong})
            assert faults_of(indexed) == [], names
    tried(ATTACK, "damages", 6)


@pytest.mark.parametrize("name", DATABASES)
def test_a_file_that_is_cut_anywhere_changes_no_answer(name: str, indexed: Indexed) -> None:
    cuts = 0
    for file, files in (
        (name, indexed.files),
        (name, indexed.journaled),
        (f"{name}-wal", indexed.journaled),
    ):
        whole = files[file]
        within = _noise.sample(range(len(whole)), sized(1, 20))
        for size in (*range(0, len(whole), sized(8 * PAGE, 2 * PAGE)), *within):
            indexed.put_back(files, **{file: whole[:size]})
            assert faults_of(indexed) == [], f"{file} cut to {size}"
            cuts += 1
    tried(ATTACK, "truncations", cuts)


@pytest.mark.parametrize("name", DATABASES)
def test_a_flipped_bit_changes_no_answer(name: str, indexed: Indexed) -> None:
    whole = indexed.files[name]
    # Half of them where something stands, half anywhere.
    written = [at for at, byte in enumerate(whole) if byte]
    count = sized(6, 150)
    places = [*_noise.sample(written, count), *_noise.sample(range(len(whole)), count)]
    for at in places:
        bit = 1 << _noise.randrange(8)
        indexed.put_back(indexed.files, **{name: overwritten(whole, at, bytes([whole[at] ^ bit]))})
        assert faults_of(indexed) == [], f"bit {bit} of byte {at}"
    tried(ATTACK, "bits flipped", len(places))


def test_a_bit_flipped_in_the_words_hides_no_hit(indexed: Indexed) -> None:
    """In the lists of the texts with a word, where nothing in SQLite tells."""
    whole = indexed.files["search.sqlite3"]
    indexed.put_back(indexed.files)
    with closing(sqlite3.connect(indexed.room / "search.sqlite3")) as db:
        tables = "SELECT id, block FROM words_data UNION ALL SELECT id, block FROM parts_data"
        blocks = [block for number, block in db.execute(tables) if number > 10]
    begins = [(whole.find(block), len(block)) for block in blocks]
    places = [begin + at for begin, size in begins if begin > 0 for at in range(4, size)]
    assert len(places) > 1500
    places = _noise.sample(places, sized(10, 200))
    for at in places:
        flipped = bytes([whole[at] ^ 1 << _noise.randrange(8)])
        indexed.put_back(indexed.files, **{"search.sqlite3": overwritten(whole, at, flipped)})
        assert faults_of(indexed) == [], f"byte {at}"
    tried(ATTACK, "bits flipped", len(places))


def test_a_garbled_row_is_never_shown(indexed: Indexed) -> None:
    whole = indexed.files["index.sqlite3"]
    places = [at for at in range(len(whole)) if whole.startswith(b'"title":"Title', at)]
    assert len(places) > 20
    for place in places[:: sized(5, 1)]:
        indexed.put_back(indexed.files, **{"index.sqlite3": overwritten(whole, place + 10, b"Z")})
        assert faults_of(indexed) == []
    tried(ATTACK, "damages", len(places[:: sized(5, 1)]))


@pytest.mark.parametrize("name", DATABASES)
def test_a_garbled_schema_that_is_no_text_changes_no_answer(name: str, indexed: Indexed) -> None:
    whole = indexed.files[name]
    places = [at for at in range(len(whole)) if whole.startswith(b"CREATE ", at)]
    assert len(places) >= 4
    for place in places[:: sized(5, 1)]:
        indexed.put_back(indexed.files, **{name: overwritten(whole, place + 4, b"\xd4")})
        assert faults_of(indexed) == []
    tried(ATTACK, "damages", len(places[:: sized(5, 1)]))


# -- under an open store -------------------------------------------------------------------------


def poke(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def forget_pages(store: SessionStore) -> None:
    """Let SQLite read all pages again, as it does after a commit by another process."""
    for one in (local(store).index._database, local(store).texts._database):
        one.read(lambda db: db.execute("PRAGMA shrink_memory"))


@pytest.mark.parametrize("name", DATABASES)
def test_a_page_garbled_under_an_open_store_is_found_by_the_next_look(
    name: str, indexed: Indexed
) -> None:
    whole, older = indexed.files[name], indexed.older[name]
    every = {one.session_id for one in indexed.listed}
    tries = 0
    for number, at in enumerate(range(0, len(whole), sized(8 * PAGE, 2 * PAGE))):
        for kind in [list(PAGES)[number % 5]] if sized(1, 0) else PAGES:
            page = PAGES[kind](whole, at, older)
            indexed.put_back(indexed.files)
            with opened(indexed) as store:
                indexed.faults(store)
                poke(indexed.room / name, at, page)
                forget_pages(store)

                # Nothing is invented meanwhile, and nobody gets an error.
                indexed.faults(store)
                assert {one.session_id for one in store.list(limit=100)} <= every
                for hit in store.search("parser", limit=100):
                    assert "parser" in hit.snippet
                store.list(fresh=True)
                if name == "index.sqlite3":
                    assert indexed.faults(store) == [], f"page {at // PAGE} is {kind}"
            assert faults_of(indexed) == [], f"page {at // PAGE} is {kind}, opened again"
            tries += 1
    tried(ATTACK, "pages garbled under an open store", tries)


# -- the journal ---------------------------------------------------------------------------------


class Journaled:
    """Two stores of a folder, the second of which has not read the last turns of the first.

    Attributes:
        file: The journal.
        reader: The second store.
        since: The number of the last change that it knows.
        begin: Where the lines that it has not read begin.
        counts: The messages of each session.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / ROOM / "journal"
        self._folder = folder
        self._writer = SessionStore(folder, durability="fast")
        self.reader = SessionStore(folder, durability="fast")
        self.counts = {"s1": 0, "s2": 0}
        for name in self.counts:
            self._writer.create(name)
        self.turn("s1", "s2", "s1", "s2")
        self.since = self.reader.last_change()
        self.begin = self.file.stat().st_size
        self.turn("s1", "s2", "s1")

    def turn(self, *names: str) -> None:
        for name in names:
            self._writer.append(name, {"role": "user", "content": "words"})
            self.counts[name] += 1

    def open_again(self) -> None:
        """Close both stores and open them again: the first then writes whole files at first."""
        self.close()
        self._writer = SessionStore(self._folder, durability="fast")
        self.reader = SessionStore(self._folder, durability="fast")

    def faults(self) -> list[str]:
        """Return what the second store does not answer right, now and after more turns."""
        wrong = []
        for act in ("list", "go on", "go on"):
            if act == "go on":
                self.turn("s1", "s2")
            listed = {one.session_id: one.message_count for one in self.reader.list()}
            wrong += [] if listed == self.counts else [f"{act}: {listed}"]
            changes = told(self.reader, self.since)
            ids = {one.session_id for one in changes or ()}
            wrong += [] if changes is None or ids == {"s1", "s2"} else [f"{act}: changes of {ids}"]
            self.since = self.reader.last_change()
        return wrong

    def close(self) -> None:
        self._writer.close()
        self.reader.close()


@pytest.mark.needs("leases")
@pytest.mark.parametrize("when", ["under open stores", "before opening"])
@pytest.mark.parametrize("what", ["cut", "a flipped bit", "garbled on"])
def test_a_damaged_journal_loses_no_turn(what: str, when: str, tmp_path: Path) -> None:
    size, number, tries = 1, 0, 0
    while number < size:
        made = Journaled(tmp_path / str(number))
        whole = made.file.read_bytes()
        size = len(whole)
        at = min(number, size - 1)
        damaged = {
            "cut": whole[:at],
            "a flipped bit": overwritten(whole, at, bytes([whole[at] ^ 1 << number % 8])),
            "garbled on": overwritten(whole, at, _noise.randbytes(size - at)),
        }[what]
        made.file.write_bytes(damaged)
        if when == "before opening":
            made.open_again()
        assert made.faults() == [], f"{what} at {at} of {size}, read up to {made.begin}"
        made.close()
        shutil.rmtree(tmp_path / str(number))
        number, tries = number + sized(401, 11), tries + 1
    tried(ATTACK, "damages of the journal", tries)


@pytest.mark.needs("leases")
@pytest.mark.parametrize("when", ["under open stores", "before opening"])
def test_a_journal_of_another_time_loses_no_turn(when: str, tmp_path: Path) -> None:
    """The journal or the index, or both, are those of an earlier moment, as after a backup."""
    tries = 0
    for names in (["journal"], ["index"], ["journal", "index"]):
        for in_place in (True, False):
            made = Journaled(tmp_path / "sessions")
            room = made.file.parent
            chosen = [path for path in room.iterdir() if path.name.split(".")[0] in names]
            kept = {path: path.read_bytes() for path in chosen if path.is_file()}
            made.turn("s1", "s2", "s2")
            made.reader.list()
            made.turn("s2", "s1")
            if when == "before opening":
                made.close()
            for path, data in kept.items():
                if not in_place:
                    path.unlink(missing_ok=True)
                path.write_bytes(data)
            if when == "before opening":
                made.open_again()
            made.reader.list(fresh=True)
            assert made.faults() == [], f"{names}, {in_place}"
            made.close()
            shutil.rmtree(tmp_path / "sessions")
            tries += 1
    tried(ATTACK, "damages of the journal", tries)


# -- whole files ---------------------------------------------------------------------------------

Damage: TypeAlias = Callable[[Path, Path], object]
"""Done to a database, with a folder to make others in."""


def remove(path: Path, _: Path | None = None) -> None:
    for suffix in SUFFIXES:
        found = Path(f"{path}{suffix}")
        if found.is_dir():
            shutil.rmtree(found)
        else:
            found.unlink(missing_ok=True)


def other_store(path: Path, beside: Path) -> Path:
    """The database of another store, with other rows under the same ids."""
    folder = beside / "other"
    folder.mkdir()
    for number in (1, 3, 7, 30):
        write(folder, f"s{number}", "foreign parser", user_id="user_0", created_at="2025-03-01")
    with SessionStore(folder) as store:
        store.search("parser")
    return folder / ROOM / path.name


def replace_by_folder(path: Path, _: Path) -> None:
    remove(path)
    path.mkdir()


def replace_by_fifo(path: Path, _: Path) -> None:
    remove(path)
    os.mkfifo(path)


def replace_journals_by_folders(path: Path, _: Path) -> None:
    remove(path)
    for suffix in JOURNALS:
        Path(f"{path}{suffix}").mkdir()
        Path(f"{path}{suffix}", "in the way").touch()


def drop_a_table(path: Path, _: Path) -> None:
    table = "sessions" if path.name == "index.sqlite3" else "texts"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"DROP TABLE {table}")


def lose_identity(path: Path, _: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM identity")


DAMAGES: dict[str, Damage] = {
    "deleted": remove,
    "only the main file deleted": lambda path, _: path.unlink(),
    "-wal deleted": lambda path, _: Path(f"{path}-wal").unlink(missing_ok=True),
    "-shm deleted": lambda path, _: Path(f"{path}-shm").unlink(missing_ok=True),
    "truncated to nothing": lambda path, _: os.truncate(path, 0),
    "truncated to half": lambda path, _: os.truncate(path, path.stat().st_size // 2),
    "truncated within a page": lambda path, _: os.truncate(path, 3 * PAGE + 77),
    "header garbled": lambda path, _: poke(path, 0, b"\xa5" * 100),
    "magic garbled": lambda path, _: poke(path, 0, b"NOT A DATABASE, "),
    "everything garbled": lambda path, _: poke(path, 0, b"\x5a" * path.stat().st_size),
    "a text instead": lambda path, _: poke(path, 0, b"nothing\n" * (path.stat().st_size // 8)),
    "swapped by rename": lambda path, beside: other_store(path, beside).replace(path),
    "swapped in place": lambda path, beside: shutil.copyfile(other_store(path, beside), path),
    "a folder instead": replace_by_folder,
    "a FIFO instead": replace_by_fifo,
    "folders for journals": replace_journals_by_folders,
    "table dropped": drop_a_table,
    "identity lost": lose_identity,
    ".localsessions removed": lambda path, _: shutil.rmtree(path.parent),
}
# One database a damage in every run of the tests, both under `make proof`.
_NEEDS = {"a FIFO instead": [pytest.mark.needs("fifos")]}
DAMAGED = [
    pytest.param(damage, name, marks=_NEEDS.get(damage, []))
    for number, damage in enumerate(DAMAGES)
    for name in ([DATABASES[number % 2]] if sized(1, 0) else DATABASES)
]


@pytest.mark.parametrize(("damage", "name"), DAMAGED)
def test_damage_before_opening_changes_no_answer(
    name: str, damage: str, indexed: Indexed, tmp_path: Path
) -> None:
    indexed.put_back(indexed.files)
    DAMAGES[damage](indexed.room / name, tmp_path)
    assert faults_of(indexed) == []
    tried(ATTACK, "damages", 1)


@pytest.mark.needs("open files that go")
@pytest.mark.parametrize(("damage", "name"), some(DAMAGED, 3))
def test_damage_under_an_open_store_changes_no_answer(
    name: str, damage: str, tmp_path: Path
) -> None:
    folder = tmp_path / "sessions"
    fill(folder)
    with SessionStore(folder, durability="fast") as store:
        answers(store)
        store.append("s2", {"role": "user", "content": "written before"})
        session = store.load("s3")
        DAMAGES[damage](folder / ROOM / name, tmp_path)
        assert answers(store) == fresh_answers(folder, tmp_path)

        if (folder / ROOM).exists():
            shutil.rmtree(tmp_path / "other", ignore_errors=True)
            with suppress(OSError, sqlite3.Error):  # it may be in memory by now
                DAMAGES[damage](folder / ROOM / name, tmp_path)
        session.title = "A parser of one's own"
        store.save(session)
        store.create("s26", title="Another parser")
        store.delete("s4")
        assert answers(store) == fresh_answers(folder, tmp_path)
    tried(ATTACK, "damages", 2)


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises((ValueError, SessionExistsError)) as caught:
        act()
    return str(caught.value)


VERBS: dict[str, Callable[[SessionStore], object]] = {
    "list": lambda store: store.list(user_id="user_1"),
    "count": lambda store: store.count(),
    "search": lambda store: [hit.session for hit in store.search("parser", limit=100)],
    "resolve a beginning": lambda store: store.resolve("s25"),
    "resolve a title": lambda store: refusal(lambda: store.resolve("title 3")),
    "resolve latest": lambda store: store.resolve("latest"),
    "purge_expired": lambda store: store.purge_expired(dry_run=True).actions,
    "cleanup": lambda store: store.cleanup(max_age=86400, dry_run=True).actions,
    "stats": lambda store: (store.stats().sessions, store.stats().messages),
    "verify": lambda store: [one for one in store.verify() if one.kind != "index"],
    "rename": lambda store: store.rename("s3", "new").title,
    "a twin": lambda store: refusal(lambda: store.create("S3")),
}


DAMAGED_FIRST = ("deleted", "everything garbled", "swapped in place", ".localsessions removed")


@pytest.mark.needs("open files that go")
@pytest.mark.parametrize("damage", DAMAGED_FIRST)
def test_the_first_verb_after_a_damage_is_right(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    fill(folder)
    with SessionStore(folder, durability="fast") as store:
        answers(store)
    begin = list(DAMAGED_FIRST).index(damage)
    verbs = list(VERBS.items())[sized(begin, 0) :: sized(4, 1)]
    for verb, ask in verbs:
        copied = tmp_path / "copied"
        shutil.copytree(folder, copied, ignore=shutil.ignore_patterns(ROOM))
        with SessionStore(copied, durability="fast") as fresh:
            expected = repr(ask(fresh)).replace(str(copied), str(folder))
        shutil.rmtree(copied)

        with SessionStore(folder, durability="fast") as store:
            answers(store)
            for name in DATABASES[: 1 if damage == "swapped in place" else 2]:
                if (folder / ROOM).exists():
                    DAMAGES[damage](folder / ROOM / name, tmp_path)
                shutil.rmtree(tmp_path / "other", ignore_errors=True)
            assert repr(ask(store)) == expected, verb
    tried(ATTACK, "damages", len(verbs))


# -- others, and the disk ------------------------------------------------------------------------


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    """Another process holds the database for ever."""
    script = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('BEGIN EXCLUSIVE'); db.execute('PRAGMA user_version = 1');"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        yield
        process.communicate()


@pytest.mark.parametrize("names", some([DATABASES, DATABASES[:1], DATABASES[1:]], 3))
def test_a_database_locked_for_ever_changes_no_answer(
    names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_MS", 50)
    filled = tmp_path / "sessions"
    fill(filled)
    with SessionStore(filled, durability="fast") as opened_before:
        answers(opened_before)
        with ExitStack() as holders:
            for name in names:
                holders.enter_context(held_by_another_process(filled / ROOM / name))
            opened_before.append("s5", {"role": "user", "content": "a parser at last"})
            with SessionStore(filled, durability="fast") as opened_after:
                opened_after.append("s6", {"role": "user", "content": "one more parser"})
                expected = fresh_answers(filled, tmp_path)
                assert answers(opened_after) == expected
                assert answers(opened_before) == expected

    with SessionStore(filled, durability="fast") as later:
        assert answers(later) == expected
    tried(ATTACK, "locked and refused databases", 3)


def in_a_child(act: Callable[[], None]) -> int:
    """Return how a forked child ended that does an act: 0 when all was well."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.needs("fork")
@pytest.mark.parametrize("is_new", [True, False], ids=["no database yet", "a database"])
@pytest.mark.parametrize("limit", some([5 * PAGE, 0, 1, PAGE, 20 * PAGE], 5))
def test_a_disk_that_takes_no_database_changes_no_answer(
    limit: int, is_new: bool, tmp_path: Path
) -> None:
    indexed = Indexed(tmp_path / "sessions")
    indexed.put_back({} if is_new else indexed.files)
    write(indexed.folder, "s7", "the parser of file 7 fails again")
    expected = fresh_answers(indexed.folder, tmp_path)

    def ask() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with opened(indexed) as store:
            assert answers(store) == expected

    assert in_a_child(ask) == 0
    with opened(indexed) as store:
        assert answers(store) == expected
    tried(ATTACK, "locked and refused databases", 2)


@pytest.mark.needs("mounts")
@pytest.mark.parametrize("room", some([24, 0, 120, 400], 4), ids=lambda room: f"{room} KiB")
def test_a_full_disk_under_the_databases_changes_no_answer(room: int, tmp_path: Path) -> None:
    indexed = Indexed(tmp_path / "sessions")
    indexed.put_back({})
    with memory_disk(indexed.room, "size=512k"):
        with opened(indexed):
            pass  # the folders of the room and its .gitignore are there
        indexed.put_back({})
        ballast = (indexed.room / "ballast").open("wb", buffering=0)
        with ballast, suppress(OSError):
            ballast.write(bytes((512 - room) * 1024))
            while not room:
                ballast.write(bytes(PAGE))
        for _ in range(2):
            with opened(indexed) as store:
                assert indexed.faults(store) == []
                assert indexed.faults(store) == []
    tried(ATTACK, "locked and refused databases", 2)


@pytest.mark.needs("bash")
@pytest.mark.parametrize("name", some(DATABASES, 2))
def test_a_database_that_nobody_may_change_changes_no_answer(name: str, tmp_path: Path) -> None:
    indexed = Indexed(tmp_path / "sessions")
    path = indexed.room / name
    if subprocess.run(["chattr", "+i", str(path)], capture_output=True).returncode:
        pytest.skip("the file system has no immutable files, or nobody may make one")
    try:
        write(indexed.folder, "s7", "the parser of file 7 fails again")
        with opened(indexed) as store:
            assert answers(store) == fresh_answers(indexed.folder, tmp_path)
            store.append("s1", {"role": "user", "content": "one more parser"})
            assert answers(store) == fresh_answers(indexed.folder, tmp_path)
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)
    assert faults_of(indexed) != []  # it is another folder now, and
    with opened(indexed) as store:
        assert answers(store) == fresh_answers(indexed.folder, tmp_path)
    tried(ATTACK, "locked and refused databases", 2)


@pytest.mark.needs("another user")
@pytest.mark.parametrize("name", some(DATABASES, 2))
def test_a_database_that_may_only_be_read_changes_no_answer(name: str, tmp_path: Path) -> None:
    indexed = Indexed(tmp_path / "sessions")
    for entry in (indexed.folder, *indexed.folder.rglob("*")):
        os.chown(entry, 1234, 1234)
    for parent in indexed.folder.parents:
        if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o077 == 0:
            parent.chmod(0o711)
    os.chown(indexed.room / name, 0, 0)
    os.chmod(indexed.room / name, 0o444)

    def ask() -> None:
        os.setgid(1234)
        os.setuid(1234)
        with opened(indexed) as store:
            assert {key: answers(store)[key] for key in indexed.expected} == indexed.expected
            store.append("s1", {"role": "user", "content": "written"})
            assert store.list(limit=1).items[0].preview == "written"

    assert in_a_child(ask) == 0
    tried(ATTACK, "locked and refused databases", 1)


@pytest.mark.needs("fork")
def test_garbage_in_the_shared_memory_of_an_open_store_changes_no_answer(tmp_path: Path) -> None:
    """It is mapped: what stands there is what SQLite believes of the journal."""
    for number in range(sized(1, 20)):
        (tmp_path / str(number)).mkdir()
        indexed = Indexed(tmp_path / str(number) / "sessions")

        def ask(indexed: Indexed = indexed, number: int = number) -> None:
            noise = random.Random(number)
            with opened(indexed) as store:
                indexed.faults(store)
                for name in DATABASES:
                    path = indexed.room / f"{name}-shm"
                    data = noise.choice([noise.randbytes(32768), bytes(32768), b"\xff" * 32768])
                    poke(path, noise.choice([0, 0, 136, 16384]), data[: noise.choice([136, 16384])])
                indexed.faults(store)
                store.list(fresh=True)
                assert indexed.faults(store) == []
            assert faults_of(indexed) == []

        assert in_a_child(ask) == 0, number
    tried(ATTACK, "damages", 2 * sized(1, 20))


# -- at once -------------------------------------------------------------------------------------

_WORK = """
import sys
from localsessions import SessionStore
with SessionStore(sys.argv[1], durability="fast") as store:
    store.create(sys.argv[2])
    for number in range(int(sys.argv[3])):
        store.append(sys.argv[2], {"role": "user", "content": f"parser {sys.argv[2]} {number}"})
        listed = {one.session_id: one for one in store.list(limit=99)}
        assert listed[sys.argv[2]].message_count == number + 1, listed[sys.argv[2]]
        assert store.count() >= 26, store.count()
        hits = {hit.session.session_id for hit in store.search("parser", limit=99)}
        assert len(hits) >= 25, hits
"""


@pytest.mark.needs("open files that go")
def test_databases_that_keep_vanishing_under_two_processes_change_no_answer(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    fill(folder)
    rounds = str(sized(6, 60))
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _WORK, str(folder), name, rounds], stderr=subprocess.PIPE
        )
        for name in ("x1", "x2")
    ]
    vanished = 0
    wait = threading.Event()
    while any(process.poll() is None for process in running):
        for name in DATABASES:
            remove(folder / ROOM / name)
        vanished += 2
        wait.wait(0.02)
    errors = [process.communicate()[1].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    with SessionStore(folder, durability="fast") as store:
        assert answers(store) == fresh_answers(folder, tmp_path)
        assert store.count() == 27
    tried(ATTACK, "databases that vanished under processes", vanished)
