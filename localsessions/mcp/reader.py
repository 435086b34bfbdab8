"""What each tool answers. Every text of a session goes through ``saying``, every answer is cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from localsessions.errors import SessionNotFoundError, UnreadableSessionError
from localsessions.format import summarize
from localsessions.mcp.answers import (
    NOTICE,
    Found,
    FoundSessions,
    GoingOn,
    Listed,
    ListedSessions,
    Said,
    SaidMessages,
    fitting,
    fitting_messages,
    room_beside,
)
from localsessions.mcp.hidden import rests_on_secret
from localsessions.mcp.saying import safe, shortened, texts_of
from localsessions.models import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from localsessions.mcp.sight import Sight
    from localsessions.models import Filters, Message, Page, SearchHit, Session, SessionSummary
    from localsessions.store import SessionStore

__all__ = ["Reader"]

_MOST_TITLE, _MOST_NAME, _MOST_PROJECT, _MOST_TAGS = 200, 80, 400, 10
_MOST_SNIPPET, _BEFORE = 300, 100
_LIVE = "it may be the session in which you ask: it was active in the last two minutes"
_CUT = "the answer would be longer than 20 kB"
_MORE = "there are more"
_ROOM_FOR_MORE = 400  # what an answer says at its end of how to go on


@dataclass(frozen=True, slots=True)
class Reader:
    """The answers of the tools, as their client sees the store."""

    store: SessionStore
    sight: Sight

    def sessions(self, filters: Filters, limit: int, cursor: str | None) -> ListedSessions:
        """Answer with sessions, the last active first."""
        page = self.store.list(**filters, limit=limit, cursor=cursor)
        lines = [*self._lines(page)]
        answer = ListedSessions(notice=NOTICE, sessions=[], more=None)
        answer["sessions"] = fitting([line for _, line in lines], _room_in(answer))
        taken, why = len(page), _MORE
        if len(answer["sessions"]) < len(lines):
            # The cursor of a shorter page is that of the place where this one is cut.
            taken, why = lines[len(answer["sessions"])][0], _CUT
            page = self.store.list(**filters, limit=taken, cursor=cursor)
        if page.next_cursor is not None:
            answer["more"] = {"why": why, "arguments": {"cursor": page.next_cursor}}
        return answer

    def _lines(self, page: Page[SessionSummary]) -> Iterator[tuple[int, Listed]]:
        """Yield the lines of a page, and the place of each; what is left out has none."""
        for place, summary in enumerate(page):
            if line := self._line(summary):
                yield place, line

    def hits(self, query: str, filters: Filters, limit: int, skip: int) -> FoundSessions:
        """Answer with the best hit of each session."""
        found = self._at_least(skip + limit + 1, query, filters)
        answer = FoundSessions(notice=NOTICE, hits=[], more=None)
        answer["hits"] = fitting(found[skip : skip + limit], _room_in(answer))
        end = skip + len(answer["hits"])
        if end < len(found):
            why = _CUT if end < skip + limit else _MORE
            answer["more"] = {"why": why, "arguments": {"skip": end}}
        return answer

    def messages(self, session_id: str, start: int | None, count: int, offset: int) -> SaidMessages:
        """Answer with a window of the messages of a session; without a start, the last ones.

        Raises:
            SessionNotFoundError: There is no such session, or the client does not see it.
            UnreadableSessionError, ValueError: As ``SessionStore.load``.
        """
        shown = self.sight.shown(self.sight.session(session_id))
        first = max(0, len(shown.messages) - count) if start is None else start
        window = [
            _said(position, message)
            for position, message in enumerate(shown.messages[first : first + count], first)
        ]
        if window and offset:
            window[0]["text"], window[0]["offset"] = window[0]["text"][offset:], offset
        answer = SaidMessages(notice=NOTICE, session=self._told(shown), messages=[], more=None)
        answer["messages"] = fitting_messages(window, _room_in(answer))
        answer["more"] = _rest(answer["messages"], len(window), len(shown.messages))
        return answer

    def _at_least(self, wanted: int, query: str, filters: Filters) -> list[Found]:
        """Return so many hits that the client sees, or all that there are."""
        asked = wanted
        while True:
            hits = self.store.search(query, **filters, limit=asked)
            found = [one for hit in hits if (one := self._found(query, hit))]
            if len(found) >= wanted or len(hits) < asked:
                return found
            asked *= 2

    def _found(self, query: str, hit: SearchHit) -> Found | None:
        """Return a hit; None if it is left out, or rests on what redaction hides."""
        try:
            stored = self.sight.session(hit.session.session_id)
        except (SessionNotFoundError, UnreadableSessionError):
            return None  # left out, or changed since it was searched
        shown = self.sight.shown(stored)
        if self.sight.redacts and rests_on_secret(query, hit, stored, shown):
            return None
        return Found(
            session=self._told(shown),
            position=hit.position,
            role=None if hit.role is None else shortened(hit.role, _MOST_NAME),
            snippet=self._snippet(hit, shown),
        )

    def _snippet(self, hit: SearchHit, shown: Session) -> str:
        if not self.sight.redacts:
            return shortened(hit.snippet, _MOST_SNIPPET)
        if hit.position is None or hit.position >= len(shown.messages):
            return shortened(" ".join([shown.title or "", *shown.tags]), _MOST_SNIPPET)
        line = " ".join(" ".join(texts_of(shown.messages[hit.position])).split())
        words = (hit.snippet[start:end] for start, end in hit.highlights)
        at = max(0, next((line.find(word) for word in words if word in line), 0) - _BEFORE)
        return shortened(f"…{line[at:]}" if at else line, _MOST_SNIPPET)

    def _line(self, summary: SessionSummary) -> Listed | None:
        """Return the line of a session; None if it is left out, or gone since it was listed."""
        try:
            return self._told(self.sight.shown(self.sight.session(summary.session_id)))
        except SessionNotFoundError:
            return None
        except UnreadableSessionError as error:
            return None if self.sight.hides(summary.session_id) else _unreadable(summary, error)

    def _told(self, shown: Session) -> Listed:
        summary = summarize(shown, 0)
        line = _named(summary)
        if self.sight.is_live(summary):
            line["live"] = _LIVE
        if summary.program:
            line["program"] = shortened(summary.program, _MOST_NAME)
        if summary.project:
            line["project"] = shortened(summary.project, _MOST_PROJECT)
        if summary.branch:
            line["branch"] = shortened(summary.branch, _MOST_NAME)
        if summary.agent_id:
            line["agent"] = shortened(summary.agent_id, _MOST_NAME)
        if summary.tags:
            line["tags"] = [shortened(tag, _MOST_NAME) for tag in summary.tags[:_MOST_TAGS]]
        if summary.status == "archived":
            line["archived"] = True
        return line


def _named(summary: SessionSummary) -> Listed:
    return Listed(
        session_id=safe(summary.session_id),
        title=shortened(summary.title, _MOST_TITLE),
        last_activity=format_instant(summary.last_activity),
        messages=summary.message_count,
    )


def _unreadable(summary: SessionSummary, error: UnreadableSessionError) -> Listed:
    # Not its reason: that may quote the file, in which nothing can be redacted.
    place = "" if error.line is None else f" at line {error.line}, column {error.column}"
    line = _named(summary.model_copy(update={"title": ""}))
    line["unreadable"] = f"the file is not a session{place}; 'localsessions verify' says more"
    return line


def _said(position: int, message: Message) -> Said:
    said = Said(
        position=position,
        role=shortened(str(message["role"]), _MOST_NAME),
        text=safe("\n\n".join(texts_of(message))),
    )
    name, created_at = message.get("name"), message.get("created_at")
    if isinstance(name, str):
        said["name"] = shortened(name, _MOST_NAME)
    if isinstance(created_at, str):
        said["created_at"] = shortened(created_at, _MOST_NAME)
    return said


def _rest(messages: Sequence[Said], wanted: int, total: int) -> GoingOn | None:
    """Return how to go on after these messages; None if the last one is the session's last."""
    if not messages:
        return None
    last = messages[-1]
    start = last["position"]
    if left := last.get("left"):
        offset = last["offset"] + len(last["text"])
        why = f"{_CUT}; {left} characters of message {start} are left"
        return {"why": why, "arguments": {"start": start, "offset": offset}}
    if start + 1 < total:
        why = _CUT if len(messages) < wanted else _MORE
        return {"why": why, "arguments": {"start": start + 1}}
    return None


def _room_in(answer: Mapping[str, object]) -> int:
    return room_beside(answer) - _ROOM_FOR_MORE
