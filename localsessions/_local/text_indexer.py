"""TextIndexer: the words of the sessions' files, brought into the full-text index when asked for.

Only files that changed since the last time are read; a save never waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import TypeVar

from localsessions import _codec
from localsessions._local.files import SessionFolder
from localsessions._local.index import SessionIndex
from localsessions._local.index.fulltext import SESSION_ITSELF, FullText, Text
from localsessions._local.reconciling import Progress, Reconciler
from localsessions._local.version import Fingerprint, digest_of
from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.models import Session, message_text

__all__ = ["TextIndexer"]

T = TypeVar("T")

# The databases may be lost again and again, by other processes that make them anew.
_TRIES = 10


class TextIndexer:
    """Keeps the words of one store in step with its files.

    Args:
        folder: Of the store, and so are the next three.
        index: See there.
        texts: See there.
        reconciler: See there.
    """

    def __init__(
        self,
        folder: SessionFolder,
        index: SessionIndex,
        texts: FullText,
        reconciler: Reconciler,
    ) -> None:
        self._folder = folder
        self._index = index
        self._texts = texts
        self._reconciler = reconciler
        self._done = (-1, "", 0)

    def answer(self, ask: Callable[[], T], on_progress: Progress | None = None) -> T:
        """Return what the texts say, brought up to date before; ask again where they were lost.

        Raises:
            OSError: They are lost again and again, in memory too.
        """

        def find() -> tuple[int | None, T]:
            # Taken before the question: another thread may find the words lost in between.
            return self.catch_up(on_progress), ask()

        return self._texts.outlast(lambda: self._reconciler.answer(find))

    def catch_up(self, on_progress: Progress | None = None) -> int | None:
        """Index the words of what changed since the last search; only those files are read.

        The first time all hashes are compared: after a power cut either database may be older
        than the other, so that change numbers from before this object was made say nothing. So
        they are after a while in which the tombstones of what was deleted were forgotten.

        Returns:
            The generation of the texts that hold all words, if it still is that of the texts;
            None where the index was lost: whoever asks sweeps and asks again.
        """
        generation, epoch = self._texts.generation, self._index.epoch()
        last = self._done[2] if self._done[:2] == (generation, epoch) else 0
        if last < self._index.first_change():
            last = 0  # tombstones of that time are forgotten
        changes = self._index.changed_since(last)
        if not self._reconciler.is_current():
            return None
        if last == 0:
            self._forget_others({one for _, one, digest in changes if digest is not None})
        for done, (_, session_id, digest) in enumerate(changes, 1):
            self._bring_in(session_id, digest)
            if on_progress is not None:
                on_progress(done, len(changes))
        self._done = (generation, epoch, changes[-1][0] if changes else last)
        return generation

    def _forget_others(self, present: Container[str]) -> None:
        for session_id in self._texts.digests():
            if session_id not in present:
                self._bring_in(session_id, None)

    def _bring_in(self, session_id: str, digest: bytes | None) -> None:
        if digest is not None and self._texts.digest(session_id) == digest:
            return
        fingerprint = self._reconciler.fingerprint
        for _ in range(_TRIES):
            seen = fingerprint(session_id)

            def is_current(seen: Fingerprint | None = seen) -> bool:
                """Tell whether no other process that searches can have overtaken this one."""
                return fingerprint(session_id) == seen

            if seen is None:
                stored = self._texts.remove(session_id, is_current)
            else:
                stored = self._texts.put(session_id, *self._read(session_id), is_current)
            if stored:
                return

    def _read(self, session_id: str) -> tuple[bytes, dict[int, Text]]:
        """Return a file's hash and words; one that is gone or unreadable has neither."""
        try:
            read = self._folder.read(session_id)
            session = _codec.decode(read.data, session_id=session_id, fingerprint=read.fingerprint)
        except (SessionNotFoundError, UnreadableSessionError):
            # Its row must know, or nobody would tell us when it is well again.
            self._reconciler.look_at(session_id)
            return b"", {}
        return digest_of(read.data), dict(_texts_of(session))


def _texts_of(session: Session) -> Iterator[tuple[int, Text]]:
    own = [session.title or "", *session.tags, *_strings(session.metadata)]
    if text := "\n".join(part for part in own if part):
        yield SESSION_ITSELF, Text(None, text)
    for position, message in enumerate(session.messages):
        if text := message_text(message):
            yield position, Text(str(message["role"]), text)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
