"""The least that keeps each session as a JSON file and replaces it whole and durably."""

from __future__ import annotations

import heapq
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks.contestants.contract import Files, Lists, Said, Saves, user_of

LAYOUT = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
CREATED_AT = "2026-01-01T00:00:00.000Z"


def session_bytes(messages: Sequence[Said], user: str, last_activity: str) -> bytes:
    """Return a session in the layout of this project's files."""
    document = {"user_id": user, "messages": documents(messages), "last_activity": last_activity}
    return orjson.dumps(document, option=LAYOUT)


def documents(messages: Sequence[Said]) -> list[dict[str, str]]:
    """Return messages with the fields that this project adds to them."""
    return [
        {"id": f"msg_{number:08}", "role": role, "content": text, "created_at": CREATED_AT}
        for number, role, text in messages
    ]


def stock_folder(folder: Path, sessions: Sequence[str], messages: Sequence[Said]) -> None:
    """Fill a folder with session files; by their content, the last is the newest."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, session in enumerate(sessions):
        minutes, seconds = divmod(number, 60)
        hours, minutes = divmod(minutes, 60)
        day, hour = divmod(hours, 24)
        stamp = f"2026-01-{day + 1:02}T{hour:02}:{minutes:02}:{seconds:02}.000Z"
        data = session_bytes(messages, user_of(number), stamp)
        (folder / f"{session}.json").write_bytes(data)


def replace(path: Path, data: bytes) -> None:
    """Replace a file whole and durably."""
    temp = f"{path}.tmp"
    file = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(file, data)
    os.fsync(file)
    os.close(file)
    os.replace(temp, path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def read(path: Path) -> bytes:
    """Return the bytes of a file."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, os.fstat(file).st_size)
    finally:
        os.close(file)


class Store(Saves, Lists, Files):
    """Sessions as files; the document of the held session stays in memory."""

    def open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.held: dict[str, dict[str, Any]] = {}

    def begin(self, session: str, messages: Sequence[Said]) -> None:
        self.held[session] = {"messages": documents(messages), "revision": 0}
        self.save(session)

    def made(self, messages: Sequence[Said]) -> list[dict[str, str]]:
        return documents(messages)

    def turn(self, session: str, made: list[dict[str, str]]) -> None:
        self.held[session]["messages"] += made
        self.save(session)

    def change(self, session: str) -> None:
        self.held[session]["revision"] += 1

    def save(self, session: str) -> None:
        data = orjson.dumps(self.held[session], option=LAYOUT)
        replace(self.folder / f"{session}.json", data)

    def load(self, session: str) -> Any:
        return orjson.loads(read(self.folder / f"{session}.json"))

    def texts(self, loaded: Any) -> list[str]:
        return [message["content"] for message in loaded["messages"]]

    def stock(self, sessions: Sequence[str], messages: Sequence[Said]) -> None:
        stock_folder(self.folder, sessions, messages)
        for number, session in enumerate(sessions):  # a bare look takes these times as the order
            os.utime(self.folder / f"{session}.json", (number, number))

    def newest(self, count: int) -> list[str]:
        with os.scandir(self.folder) as entries:
            seen = [(entry.stat().st_mtime_ns, entry.name) for entry in entries]
        return [name.removesuffix(".json") for _, name in heapq.nlargest(count, seen)]

    def scan(self) -> int:
        with os.scandir(self.folder) as entries:
            return len([entry.stat() for entry in entries])

    def rebuild(self) -> int:
        with os.scandir(self.folder) as entries:
            return len([orjson.loads(read(Path(entry.path))) for entry in entries])

    def take(self, paths: Sequence[str]) -> int:
        count = 0
        for path in paths:
            document = orjson.loads(read(Path(path)))
            count += len(document["messages"])
            replace(self.folder / f"{Path(path).stem}.json", orjson.dumps(document, option=LAYOUT))
        return count
