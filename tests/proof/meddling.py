"""What others do to the files and the databases of a store, as rules of the state machine."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime

import needs
from hypothesis import strategies as st
from hypothesis.stateful import rule
from patience import patiently, replace

from proof.model import IDS, ROOM, TORN, WHICH, WORDS, Known, TwoStores

__all__ = ["Meddling"]

DATABASES = st.sampled_from(["index.sqlite3", "search.sqlite3", "journal"])


class Meddling(TwoStores):
    """Other programs, power cuts, backups and versions; the stores are closed and opened again."""

    # -- other programs --------------------------------------------------------------------------

    @staticmethod
    def written(title: str, text: str | None = None) -> tuple[bytes, Known]:
        activity = datetime.now(UTC).isoformat()
        messages = [] if text is None else [{"role": "user", "content": text}]
        document = {"title": title, "messages": messages, "last_activity": activity}
        return json.dumps(document).encode(), Known(title, [] if text is None else [text])

    @rule(session_id=IDS, title=WORDS)
    def write_outside(self, session_id: str, title: str) -> None:
        data, known = self.written(title)
        patiently(lambda: self.path(session_id).write_bytes(data))
        self.changed(session_id, known)

    @rule(session_id=IDS, title=WORDS, text=WORDS)
    def replace_outside(self, session_id: str, title: str, text: str) -> None:
        """As editors do that write a new file and rename it over the old one."""
        data, known = self.written(title, text)
        beside = self.root / "new"
        beside.write_bytes(data)
        replace(beside, self.path(session_id))
        self.changed(session_id, known)

    @rule(session_id=IDS, title=WORDS)
    def delete_and_write_outside(self, session_id: str, title: str) -> None:
        """As git checks out another branch."""
        patiently(lambda: self.path(session_id).unlink(missing_ok=True))
        self.write_outside(session_id, title)

    @rule(session_id=IDS, title=WORDS)
    def write_in_place_and_put_times_back(self, session_id: str, title: str) -> None:
        """As ``touch -r``, ``rsync -t`` and ``cp -p`` do; of the same size where it can be."""
        if session_id in self.model:
            path = self.path(session_id)
            status = path.stat()
            data, known = self.written(title)
            data = data.ljust(status.st_size)
            with path.open("r+b") as file:
                file.truncate(len(data))
                file.write(data)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
            self.changed(session_id, known)

    @rule(session_id=IDS, cut=st.booleans())
    def tear_outside(self, session_id: str, cut: bool) -> None:
        if cut and isinstance(self.model.get(session_id), Known):
            os.truncate(self.path(session_id), 1)
        else:
            patiently(lambda: self.path(session_id).write_text('{"title": "to'))
        self.changed(session_id, TORN)

    @rule(session_id=IDS)
    def remove_outside(self, session_id: str) -> None:
        patiently(lambda: self.path(session_id).unlink(missing_ok=True))
        self.lose_checkpoints(session_id)
        if session_id in self.model:
            self.changed(session_id, None)

    def lose_checkpoints(self, session_id: str) -> None:
        shutil.rmtree(self.path(session_id).with_suffix(".checkpoints"), ignore_errors=True)
        self.checkpoints.pop(session_id, None)

    @rule(source=IDS, onto=IDS, move=st.booleans())
    def copy_outside(self, source: str, onto: str, move: bool) -> None:
        if source in self.model and source != onto:
            known = self.model[source]
            if move:
                replace(self.path(source), self.path(onto))
                self.lose_checkpoints(source)
                self.changed(source, None)
            else:
                patiently(lambda: shutil.copy2(self.path(source), self.path(onto)))
            self.changed(onto, known if isinstance(known, str) else known.copy())

    @rule(session_id=IDS)
    def touch_outside(self, session_id: str) -> None:
        if session_id in self.model:
            os.utime(self.path(session_id))

    # -- the databases ---------------------------------------------------------------------------

    @rule(which=WHICH)
    def reopen(self, which: int) -> None:
        self.stores[which].close()
        self.stores[which] = self.open()

    @rule(name=DATABASES)
    def lose_a_database(self, name: str) -> None:
        self.is_damaged = True
        goes_while_open = needs.is_here("open files that go")
        if not goes_while_open:
            self.close_both()
        for suffix in ("", "-wal", "-shm"):
            (self.folder / ROOM / f"{name}{suffix}").unlink(missing_ok=True)
        if not goes_while_open:
            self.open_both()

    @rule(name=DATABASES, offset=st.integers(0, 40))
    def garble_a_database(self, name: str, offset: int) -> None:
        self.is_damaged = True
        path = self.folder / ROOM / name
        if path.exists():
            with path.open("r+b") as file:
                file.seek(offset * 512)
                file.write(b"\xa5" * 512)

    @rule(size=st.integers(1, 900))
    def be_killed_in_the_middle_of_a_line(self, size: int) -> None:
        """What was written until then stays, and damages nothing."""
        path = self.folder / ROOM / "journal"
        if path.exists():
            line = path.read_bytes().rstrip(b"\n").rpartition(b"\n")[2][:-1]
            with path.open("ab") as file:
                file.write(b"\n" + line[:size])

    @rule(name=DATABASES, version=st.sampled_from([0, 1, 99]))
    def be_of_another_version(self, name: str, version: int) -> None:
        """A program that is older or newer was here while no store was open."""
        self.is_damaged = True
        self.close_both()
        path = self.folder / ROOM / name
        if path.exists():
            with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(path)) as db:
                db.execute(f"PRAGMA user_version = {version}")
        self.open_both()

    @rule(act=st.sampled_from(["keep", "put back"]))
    def put_the_databases_back(self, act: str) -> None:
        """As a power cut or a backup does, while no store is open."""
        self.close_both()
        room, kept = self.folder / ROOM, self.root / "kept"
        if act == "keep" and room.exists():
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(room, kept)
        elif kept.exists():
            self.is_damaged = True
            shutil.rmtree(room, ignore_errors=True)
            shutil.copytree(kept, room)
        self.open_both()

    @rule()
    def lose_the_whole_room(self) -> None:
        self.is_damaged = True
        # Where what is open cannot be removed, the databases stay, and all others go.
        shutil.rmtree(self.folder / ROOM, ignore_errors=True)

    @rule(which=WHICH)
    def reindex(self, which: int) -> None:
        self.is_damaged = True
        assert self.stores[which].reindex() == len(self.model)
