"""A message that grows: what is said goes into the session while it is said, by whoever says it.

No thread stands behind it: each write looks at the clock, and puts what has gathered into the
session when that is due.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import WeakValueDictionary

from localsessions._logger import log
from localsessions._rules import streams
from localsessions._rules.arguments import refuse_other
from localsessions._rules.edits import message_of
from localsessions.engine import Change, Engine
from localsessions.errors import (
    DurabilityUnknownError,
    UnreadableSessionError,
    UnstorableValueError,
)
from localsessions.models import formatted_now, made_id

if TYPE_CHECKING:
    from localsessions.models import Message, Session

__all__ = ["AsyncStreamedMessage", "StreamedMessage", "Streams"]

# Seconds between two flushes; after a slow one more: flushing takes a twentieth of the time.
_PAUSE = 0.1
_SHARE = 20
_MOST_BYTES = 64 * 1024


class Streams:
    """The messages that grow by the hand of one store.

    Args:
        engine: Where the sessions are.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = ""
        self._open: WeakValueDictionary[tuple[str, str], StreamedMessage] = WeakValueDictionary()

    def entered(self, stream: StreamedMessage, stack: ExitStack) -> str:
        """Return the name under which a message is written, until the stack is closed."""
        self._writer = stack.enter_context(self._engine.present())
        self._open[stream.place] = stream
        stack.callback(self._open.pop, stream.place, None)
        return self._writer

    def is_left(self, session_id: str, message_id: str, writer: str) -> bool:
        """Tell whether a message of a session grows no more, although its writer did not end it.

        A message of this very store has been left if its object was not kept.
        """
        if writer == self._writer:
            return (session_id, message_id) not in self._open
        return not self._engine.is_present(writer)


class StreamedMessage:
    """A message that grows in its session. Made by ``SessionStore.streaming``.

    A context manager. One thread at a time may use it.

    Attributes:
        place: The ids of its session and of the message.
        run_id: The run that it belongs to.
        delayed_by: Why the last flush did not reach the session or the disk; None if it did. What
            it had to write is kept for the next one.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        streams_: Streams,
        session_id: str,
        message: Mapping[str, object],
        refuse_stranger: Callable[[Session], None],
    ) -> None:
        self._has_id = "id" in message
        content = {} if message.keys() & {"content", "parts"} else {"content": ""}
        given = {**message, **content, "run_id": message.get("run_id", made_id("run"))}
        self._known = message_of(given, formatted_now())
        # What the session says of a message that it has already gives way to what was given.
        self._fields = {key: self._known[key] for key in message}
        refuse_other("id", self._known["id"], str, "a str")
        refuse_other("run_id", self._known["run_id"], str, "a str")
        self.run_id = str(self._known["run_id"])
        self.place = session_id, str(self._known["id"])
        self.delayed_by: Exception | None = None
        self._engine, self._streams = engine, streams_
        self._refuse_stranger = refuse_stranger
        self._stack = ExitStack()
        self._writer: str | None = None
        self._said: list[str] = []
        self._gathered = 0
        self._tried: tuple[Message, str] | None = None
        self._due_at = 0.0

    def __repr__(self) -> str:
        return f"StreamedMessage({self.place[0]!r}, {self.place[1]!r})"

    @property
    def message(self) -> Message:
        """The message with all that was said until now, whether it was flushed or not."""
        return streams.grown({**self._known, **self._fields}, "".join(self._said))

    def write(self, text: str) -> None:
        """Say more. It is in the session a tenth of a second later, if more is written then.

        If the session is locked, the disk is full or the server does not answer, the text is kept
        for the next flush; see ``delayed_by``.

        Raises:
            SessionNotFoundError, NotOwnerError, UnstorableValueError: It cannot be stored.
            ValueError: The block has ended.
        """
        if self.gather(text):
            self.try_flush()

    def update(self, fields: Mapping[str, object]) -> None:
        """Set other fields of the message, as in ``{"tool_calls": [...]}``.

        A new ``content`` replaces what was said.

        Raises:
            ValueError: The block has ended, or the fields would make another message of it.
        """
        self._refuse_ended()
        refuse_other("fields", fields, Mapping, "an object")
        if fixed := fields.keys() & {"id", "run_id"}:
            raise ValueError(f"{min(fixed)} of a message that grows cannot be changed")
        if fields.keys() & {"content", "parts"}:
            self._said, self._gathered, self._tried = [], 0, None
        copied = message_of({**self._known, **fields}, "")
        self._fields |= {key: copied[key] for key in fields}

    def flush(self) -> None:
        """Put into the session what was said until now, whatever the clock says.

        Raises:
            LockTimeoutError, OSError: It could not be written, and is kept for the next flush.
            SessionNotFoundError, NotOwnerError, UnstorableValueError: It cannot be stored.
            ValueError: The block has ended.
        """
        self._refuse_ended()
        self._flush(self._mark)

    # -- the block ---------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if self._writer is not None:
            raise ValueError(f"{self!r} has begun already; ask the store for another one")
        with ExitStack() as stack:
            self._writer = self._streams.entered(self, stack)
            self._flush(self._begin, sees_run=self._has_id)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._writer:  # it did not begin
            return
        try:
            if error is None:
                self._end(is_complete=True)
            else:
                self._interrupt(error)
        finally:
            self._stack.close()
            self._writer = ""

    def _begin(self, session: Session) -> None:
        streams.interrupt_left(session, functools.partial(self._streams.is_left, self.place[0]))
        self._mark(session)

    def _mark(self, session: Session) -> None:
        streams.mark(session, self._known, self._writer or "")

    def _end(self, *, is_complete: bool) -> None:
        self._flush(lambda one: streams.unmark(one, self._known, is_complete=is_complete))

    def _interrupt(self, error: BaseException) -> None:
        """Keep what was said, and say that it was interrupted; the error of the block goes on."""
        try:
            try:
                self._end(is_complete=False)
            except UnstorableValueError:  # perhaps that was the error: what is stored stays
                self._said, self._fields = [], {}
                self._end(is_complete=False)
        except Exception as second:  # noqa: BLE001  (the first error is the caller's)
            error.add_note(f"{self!r} was not marked as interrupted: {second}")

    # -- flushing ----------------------------------------------------------------------------

    def gather(self, text: str) -> bool:
        """Keep a text for the next flush, and tell whether that is due; ``write`` does both."""
        self._refuse_ended()
        refuse_other("text", text, str, "a str")
        self._said.append(text)
        self._gathered += len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
        return self._gathered >= _MOST_BYTES or time.monotonic() >= self._due_at

    def try_flush(self) -> None:
        """Flush as ``write`` does: what may pass is told in ``delayed_by``, and not raised."""
        try:
            self.flush()
        except (OSError, UnreadableSessionError) as error:
            if self.delayed_by is None:
                log().warning("%r is kept in memory for now: %s", self, error)
            self.delayed_by = error

    def _flush(self, also: Callable[[Session], None], *, sees_run: bool = True) -> None:
        begun_at, text = time.monotonic(), "".join(self._said)
        made: list[Message] = []

        def apply(session: Session) -> None:
            self._refuse_stranger(session)
            made[:] = [self._put(session, text)]
            also(session)

        try:
            session_id, message_id = self.place
            run_id = self.run_id if sees_run else None
            self._engine().change(session_id, Change(apply, run_id=run_id, message_id=message_id))
        except DurabilityUnknownError as error:
            log().warning("%r: %s", self, error)
            self._is_stored(made[0])
            raise
        except UnstorableValueError:
            self._fields = {}  # they would spoil each further flush
            raise
        # After an error or Ctrl-C it may be written all the same. What was tried is remembered, or
        # the next flush would say the same text a second time.
        except BaseException:
            if made:
                self._tried = made[0], text
            raise
        finally:
            now = time.monotonic()
            self._due_at = now + max(_PAUSE, _SHARE * (now - begun_at))
        self._is_stored(made[0])

    def _put(self, session: Session, text: str) -> Message:
        """Put what is lacking into the session; what others made of the message stays."""
        stored = streams.message_in(session, self._known)
        if stored is not None and self._tried is not None and stored == self._tried[0]:
            text = text[len(self._tried[1]) :]  # the flush that raised has been written
        former = self._known if stored is None else stored
        return streams.add_said(session, streams.grown({**former, **self._fields}, text))

    def _is_stored(self, message: Message) -> None:
        self._known, self._said, self._gathered = message, [], 0
        self._fields, self._tried, self.delayed_by = {}, None, None

    def _refuse_ended(self) -> None:
        if not self._writer:
            reason = "has not begun: use it in a with statement"
            raise ValueError(f"{self!r} {reason if self._writer is None else 'has ended'}")


class AsyncStreamedMessage:
    """A message that grows in its session, for code that awaits.

    Made by ``AsyncSessionStore.streaming``; an async context manager. One task at a time may use
    it. What is flushed is flushed in a worker thread.
    """

    def __init__(self, stream: StreamedMessage) -> None:
        self._stream = stream

    @property
    def stream(self) -> StreamedMessage:
        """The same message, for code that does not await."""
        return self._stream

    @property
    def run_id(self) -> str:
        """The run that it belongs to."""
        return self._stream.run_id

    @property
    def message(self) -> Message:
        """The message with all that was said until now, whether it was flushed or not."""
        return self._stream.message

    @property
    def delayed_by(self) -> Exception | None:
        """Why the last flush did not reach the session or the disk; None if it did."""
        return self._stream.delayed_by

    async def write(self, text: str) -> None:
        """Say more, as ``StreamedMessage.write``; the event loop never waits for the disk."""
        if self._stream.gather(text):
            await _finished(self._stream.try_flush)

    def update(self, fields: Mapping[str, object]) -> None:
        """Set other fields of the message, as ``StreamedMessage.update``."""
        self._stream.update(fields)

    async def flush(self) -> None:
        """Put into the session what was said until now, as ``StreamedMessage.flush``."""
        await _finished(self._stream.flush)

    async def __aenter__(self) -> Self:
        import asyncio

        try:
            await _finished(self._stream.__enter__)
        except asyncio.CancelledError as error:
            await self.__aexit__(type(error), error, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await _finished(functools.partial(self._stream.__exit__, kind, error, trace))


async def _finished(act: Callable[[], object]) -> None:
    """Do an act in a thread, to its end; a task that is cancelled meanwhile is cancelled then.

    Otherwise the act would go on while the task already leaves the block, in another thread.
    """
    import asyncio

    acting = asyncio.ensure_future(asyncio.to_thread(act))
    cancelled: asyncio.CancelledError | None = None
    while not acting.done():
        try:
            await asyncio.shield(acting)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001  (raised below)
            break
    if cancelled is not None:
        raise cancelled from acting.exception()
    acting.result()
