"""The least that makes two messages durable: lines at the end of a file. No session file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import orjson

from benchmarks.contestants.contract import Said, Tails
from benchmarks.contestants.rewrite_floor import documents, read

MOST_BYTES_OF_A_LINE = 2_048


class Store(Tails):
    """A file of lines for each session, held open while lines are appended."""

    def open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.files: dict[str, int] = {}

    def close(self) -> None:
        for file in self.files.values():
            os.close(file)

    def begin(self, session: str, messages: Sequence[Said]) -> None:
        (self.folder / session).write_bytes(_lines(documents(messages)))

    def resume(self, session: str) -> None:
        self.files[session] = os.open(self.folder / session, os.O_WRONLY | os.O_APPEND)

    def made(self, messages: Sequence[Said]) -> Any:
        return documents(messages)

    def turn(self, session: str, made: list[dict[str, str]]) -> None:
        os.write(self.files[session], _lines(made))
        os.fdatasync(self.files[session])

    def load(self, session: str) -> list[Any]:
        return [orjson.loads(line) for line in read(self.folder / session).splitlines()]

    def tail(self, session: str, count: int) -> list[Any]:
        file = os.open(self.folder / session, os.O_RDONLY)
        size = os.fstat(file).st_size
        wanted = min(size, (count + 1) * MOST_BYTES_OF_A_LINE)
        data = os.pread(file, wanted, size - wanted)
        os.close(file)
        return [orjson.loads(line) for line in data.splitlines()[-count:]]

    def texts(self, loaded: Any) -> list[str]:
        return [message["content"] for message in loaded]


def _lines(made: list[dict[str, str]]) -> bytes:
    return b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in made)
