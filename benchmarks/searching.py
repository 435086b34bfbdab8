"""What a search costs on many sessions, beside bare FTS5 over the same texts.

    python benchmarks/searching.py [--sessions 25000] [FOLDER]

The sessions are those of all transcripts in the folder, by default examples/transcripts, again and
again, each time with words of their own in the place of half of the words that are not common. The
first search, which reads every session, is compared with an FTS5 table (unicode61) that takes in
the same texts in the same run. Then come questions of every kind, and ripgrep, where it is
installed, over the same files.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from zlib import crc32

from pydantic import JsonValue

from localsessions import Session, SessionStore, message_text
from localsessions._local.index.text_row import stored_texts
from localsessions.format import encode
from localsessions.transcripts import import_paths

ROOT = Path(__file__).parent.parent
WORD = re.compile(r"[A-Za-z]{4,}")
COMMON = 3_000
VOWELS, CONSONANTS = "aeiou", "bcdfghjklmnpqrstvwxyz"
VOCABULARY = "SELECT term FROM vocabulary ORDER BY doc DESC"
TEXTS = ("content", "text", "thinking", "arguments", "input", "output", "title")


class OwnWords:
    """Changes words of a session so that no two copies have the same, and common words stay."""

    def __init__(self, common: set[str], copy: int) -> None:
        self._common, self._copy = common, copy
        self._known: dict[str, str] = {}

    def change(self, value: JsonValue, *, is_text: bool = False) -> JsonValue:
        if isinstance(value, str):
            return WORD.sub(lambda found: self._word(found.group()), value) if is_text else value
        if isinstance(value, list):
            return [self.change(one, is_text=is_text) for one in value]
        if isinstance(value, dict):
            return {key: self.change(one, is_text=key in TEXTS) for key, one in value.items()}
        return value

    def _word(self, word: str) -> str:
        if word.lower() in self._common or crc32(word.lower().encode()) % 2:
            return word
        if word not in self._known:
            chosen = random.Random(f"{word.lower()} {self._copy}")
            letters = [
                chosen.choice(VOWELS if one in VOWELS else CONSONANTS) for one in word.lower()
            ]
            self._known[word] = "".join(letters)
        return self._known[word]


def write_sessions(transcripts: Path, folder: Path, count: int) -> int:
    """Write session files; return their bytes."""
    with tempfile.TemporaryDirectory() as base, SessionStore(base, durability="fast") as store:
        import_paths(store, [transcripts])
        sessions = [store.load(one.session_id) for one in store.list(limit=100_000)]
    seen: Counter[str] = Counter()
    for session in sessions:
        for message in session.messages:
            seen.update(word.lower() for word in WORD.findall(message_text(message)))
    common = {word for word, _ in seen.most_common(COMMON)}
    size, own = 0, OwnWords(common, 0)
    for number in range(count):
        copy, at = divmod(number, len(sessions))
        if at == 0:
            own = OwnWords(common, copy)
        size += _write(folder, sessions[at], own, copy)
    return size


def _write(folder: Path, session: Session, own: OwnWords, copy: int) -> int:
    name = f"{session.session_id}-{copy}" if copy else session.session_id
    messages = [own.change(one) for one in session.messages] if copy else session.messages
    changed = session.model_copy(update={"session_id": name, "messages": messages, "runs": []})
    data = encode(changed)
    (folder / f"{name.replace('/', '-')}.json").write_bytes(data)
    return len(data)


def bare(texts: list[str]) -> float:
    """Return how many seconds bare FTS5 takes for texts."""
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(f"{folder}/bare.sqlite3", isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE VIRTUAL TABLE words USING fts5 (body)")
        begin = time.perf_counter()
        database.execute("BEGIN")
        database.executemany("INSERT INTO words VALUES (?)", ((one,) for one in texts))
        database.execute("COMMIT")
        took = time.perf_counter() - begin
        database.close()
    return took


def questions(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield 200 questions with their kinds; ``words`` are a vocabulary, the commonest first."""
    chosen = random.Random(1)
    common, middle = words[:300], words[300:5_000]
    rare = [word for word in words[5_000:] if word.isascii() and word.isalpha() and len(word) > 5]
    for word in words[:10]:
        yield "one of the commonest", word
    for letter in "abceistx12":
        yield "one letter", letter
    for _ in range(30):
        yield "two common words", " ".join(chosen.sample(common, 2))
        yield "two words", " ".join(chosen.sample(middle, 2))
    for _ in range(25):
        word = chosen.choice(rare)
        yield "a rare word", word
        yield "a part of a word", word[1:5]
        yield "a letter left out", word[:3] + word[4:]
        yield "a common word and a rare one", f"{chosen.choice(common)} {word}"
    for phrase in ("in the", "of the file", "error message", "to be", "cannot find module"):
        yield "a phrase", f'"{phrase}"'
    for text in ("错误", "数据", "文件", "你好", "环境变量"):
        yield "Chinese", text
    for text in ("agent:codex error", "program:codex the", "role:user error", "after:2020 the"):
        yield "a field", text
    for text in ("error OR warning", "the OR a", "error -warning", "the -a", "-the", "error -the"):
        yield "one of two, or without", text


def measured(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def measure_first(folder: Path, size: int) -> list[str]:
    """Measure the first search; return the vocabulary, the commonest words first."""
    with SessionStore(folder) as store:
        store.count()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        first = measured(lambda: store.search("traceback"))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    with closing(sqlite3.connect(folder / ".localsessions" / "search.sqlite3")) as found:
        stored = stored_texts(found, "true ORDER BY texts.id", [])
        texts = [one.text.body.encode("utf-8", "replace").decode() for one in stored]
        words = [word for (word,) in found.execute(VOCABULARY)]
    floor, taken = bare(texts), sum(map(len, texts)) / 1e6
    kept = sum(path.stat().st_blocks * 512 for path in (folder / ".localsessions").rglob("*"))
    print(f"texts {taken:.0f} MB; bare FTS5 {taken / floor:.1f} MB/s")
    print(f"the first search {taken / first:.1f} MB/s, {first / floor:.1f} times bare FTS5")
    print(f"memory grows by {grown / 1024:.0f} MB; .localsessions {kept / size:.2f} of the files")
    return words


def measure_questions(folder: Path, words: list[str]) -> None:
    took: list[tuple[float, str, str]] = []
    with SessionStore(folder) as store:
        store.search("traceback")
        for kind, asked in questions(words):
            took.append((1e3 * measured(partial(store.search, asked)), kind, asked))
    every = sorted(took)
    median, most = statistics.median(one[0] for one in every), every[-1]
    print(f"{len(every)} questions: median {median:.1f} ms, 95th percentile")
    print(f"{every[len(every) * 95 // 100][0]:.1f} ms, the longest {most[0]:.1f} ms ({most[2]})")
    for kind in dict.fromkeys(one[1] for one in took):
        of_kind = [one[0] for one in took if one[1] == kind]
        print(f"  {kind:30} {statistics.median(of_kind):6.1f} ms, at most {max(of_kind):6.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "examples" / "transcripts")
    parser.add_argument("--sessions", type=int, default=25_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        size = write_sessions(asked.folder, Path(made), asked.sessions)
        print(f"{asked.sessions:,} sessions, {size / 1e6:.0f} MB")
        measure_questions(Path(made), measure_first(Path(made), size))
        if shutil.which("rg"):
            command = ["rg", "-l", "traceback", made]
            took = measured(lambda: subprocess.run(command, capture_output=True, check=False))
            print(f"rg -l traceback: {1e3 * took:.0f} ms")


if __name__ == "__main__":
    main()
