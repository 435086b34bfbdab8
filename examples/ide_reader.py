"""What the session pane of an IDE plugin does: list, search, show new messages, stay up to date.

    python examples/ide_reader.py FOLDER [SEARCH]

It holds the store open and writes no session. Unreadable files do not disturb it: the list shows
them with the reason and the line, and everything else works. It draws the list again after every
change of a session, until the input ends (Ctrl-D).
"""

from __future__ import annotations

import sys

from localsessions import SessionChange, SessionStore, SessionSummary, message_text


def line_of(summary: SessionSummary) -> str:
    """Return one line of the pane."""
    if summary.unreadable is not None:
        place = f"line {summary.unreadable.line}" if summary.unreadable.line else "the file"
        return f"! {summary.session_id}: {summary.unreadable.reason} ({place})"
    pin = "*" if summary.pinned else " "
    when = summary.last_activity.strftime("%Y-%m-%d %H:%M")
    return f"{pin} {when}  {summary.message_count:5}  {summary.title or summary.session_id}"


def draw(store: SessionStore) -> None:
    """Print the list, page by page."""
    page = store.list(limit=20)
    while True:
        for summary in page:
            print(line_of(summary))
        if page.next_cursor is None:
            break
        page = store.list(limit=20, cursor=page.next_cursor)
    print(flush=True)


def draw_last_words(store: SessionStore) -> None:
    """Print the end of the newest session."""
    newest = next((one for one in store.list(limit=20) if one.unreadable is None), None)
    if newest is not None:
        print(f"last words of {newest.session_id}:")
        for message in store.tail(newest.session_id, 3):
            print(
                f"  {message['role']}: {' '.join(message_text(message).split())[:70]}", flush=True
            )


def stay_fresh(store: SessionStore, since: int) -> None:
    """Draw again after each change, only once after many, until the input ends."""

    def redraw(change: SessionChange) -> None:
        # Runs in a thread of the store: a real pane passes this to the thread of its windows.
        if change.number == store.last_change():
            draw(store)

    # If the store cannot say what changed, listing again is right.
    with store.watch(redraw, since=since, on_error=lambda *_: draw(store)):
        sys.stdin.read()


def main() -> None:
    """Print search results, or the pane, and keep the pane up to date."""
    with SessionStore(sys.argv[1]) as store:
        if len(sys.argv) > 2:
            for hit in store.search(sys.argv[2], limit=5):
                place = "title" if hit.position is None else f"message {hit.position}"
                print(f"{hit.session.session_id}, {place}: {hit.snippet}")
            return
        since = store.last_change()  # before listing, so that no change between is missed
        draw(store)
        draw_last_words(store)
        stay_fresh(store, since)


if __name__ == "__main__":
    main()
