"""Imports: what other programs keep on this machine, brought in by a thread of the service."""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING

from localsessions.models import made_id
from localsessions.server.made import made_since
from localsessions.server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from pydantic import JsonValue

    from localsessions.models import Session
    from localsessions.store import SessionStore
    from localsessions.transcripts import FileReport, ImportReport, Place

__all__ = ["Imports"]

_log = logging.getLogger("localsessions")
_MOST = 20


class _Import:
    """One import; a thread of its own does it."""

    def __init__(self, store: SessionStore, places: Sequence[Place]) -> None:
        self.import_id = made_id("import")
        self.status = "running"
        self.files_done = 0
        self.files_total: int | None = None
        self.totals: dict[str, dict[str, int]] = {}
        self.made: list[str] = []
        self.error: str | None = None
        self._store, self._places = store, places
        self._touched: set[str] = set()

    def run(self, since: datetime | None, *, again: bool) -> None:
        from localsessions.transcripts import file_state, import_paths

        def wants_file(path: str) -> bool:
            state = file_state(path)
            is_old = since is not None and state is not None
            return not is_old or state.modified_ns >= since.timestamp() * 1e9  # type: ignore[union-attr]

        def wants_session(session: Session) -> bool:
            return since is None or session.last_activity >= since

        before = self._store.last_change()
        try:
            report = import_paths(
                self._store,
                [one.path for one in self._places],
                again=again,
                wants_file=wants_file,
                wants_session=wants_session,
                on_found=self._begin,
                on_progress=self._count,
            )
        except Exception as error:  # noqa: BLE001  (the caller has gone; it asks for the state)
            _log.error("an import failed", exc_info=error)
            self.error, self.status = str(error), "failed"
        else:
            self._end(report, before)

    def _begin(self, count: int) -> None:
        self.files_total = count

    def _count(self, report: FileReport) -> None:
        self._touched.update(report.session_ids)
        self.files_done += 1

    def _end(self, report: ImportReport, before: int) -> None:
        self.totals = {name: asdict(one) for name, one in report.totals.items()}
        self.made = [one for one in made_since(self._store, before) if one in self._touched]
        self.status = "done"

    @property
    def document(self) -> dict[str, JsonValue]:
        """Its state."""
        totals: dict[str, JsonValue] = {name: {**one} for name, one in self.totals.items()}
        return {
            "import_id": self.import_id,
            "status": self.status,
            "files_done": self.files_done,
            "files_total": self.files_total,
            "totals": totals,
            "made": [*self.made],
            "error": self.error,
        }


class Imports:
    """The imports of one service, one at a time."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._imports: dict[str, _Import] = {}

    def places(self) -> list[dict[str, JsonValue]]:
        """Return what lies on this machine, by program."""
        from localsessions.transcripts import file_state, files_in, known_places

        files: dict[str, list[int]] = {}
        for place in known_places():
            states = map(file_state, files_in([place.path]))
            files.setdefault(place.program, []).extend(one.size_bytes for one in states if one)
        return [
            {
                "program": program,
                "files": len(sizes),
                "size_bytes": sum(sizes),
                "sessions_here": self._store.count(program=program),
            }
            for program, sizes in files.items()
        ]

    def start(
        self, programs: Iterable[str] | None, since: datetime | None, *, again: bool
    ) -> Mapping[str, JsonValue]:
        """Start an import; return its state.

        Raises:
            Problem: A program is unknown, nothing is there, or another import runs.
        """
        from localsessions.transcripts import PROGRAMS, known_places

        chosen = [*PROGRAMS] if programs is None else [*programs]
        if unknown := [one for one in chosen if one not in PROGRAMS]:
            known = ", ".join(PROGRAMS)
            raise Problem(422, f"no place of {unknown[0]} is known, of {known}", place="programs")
        places = [place for place in known_places() if place.program in chosen]
        with self._guard:
            if any(one.status == "running" for one in self._imports.values()):
                raise Problem(409, "an import is running: wait for its end", code="importing")
            made = _Import(self._store, places)
            self._imports[made.import_id] = made
            while len(self._imports) > _MOST:
                del self._imports[next(iter(self._imports))]
        thread = threading.Thread(
            target=made.run, args=(since,), kwargs={"again": again}, name="localsessions-import"
        )
        thread.daemon = True
        thread.start()
        return made.document

    def state(self, import_id: str) -> Mapping[str, JsonValue]:
        """Return the state of an import.

        Raises:
            Problem: There is none.
        """
        if import_id not in self._imports:
            raise Problem(404, f"no import {import_id}", code="not-found")
        return self._imports[import_id].document

    def all(self) -> list[Mapping[str, JsonValue]]:
        """Return the state of each import, the last one last."""
        return [one.document for one in [*self._imports.values()]]
