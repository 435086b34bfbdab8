"""What the session pane of an IDE plugin does: list, filter, search, open, and read along.

    python examples/ide_reader.py FOLDER [SEARCH]

It holds the store open, never writes, and copes with files that cannot be read: they stand in the
list with the reason and the line, and everything else works.
"""

from __future__ import annotations

import sys

from localsessions import SessionStore, SessionSummary, message_text


def line_of(summary: SessionSummary) -> str:
    """Return one line of the pane."""
    if summary.unreadable is not None:
        place = f"line {summary.unreadable.line}" if summary.unreadable.line else "the file"
        return f"! {summary.session_id}: {summary.unreadable.reason} ({place})"
    pin = "*" if summary.pinned else " "
    when = summary.last_activity.strftime("%Y-%m-%d %H:%M")
    return f"{pin} {when}  {summary.message_count:5}  {summary.title or summary.session_id}"


def main() -> None:
    """Print the pane, one page at a time, and the newest session's last words."""
    with SessionStore(sys.argv[1]) as store:
        if len(sys.argv) > 2:
            for hit in store.search(sys.argv[2], limit=5):
                place = "title" if hit.position is None else f"message {hit.position}"
                print(f"{hit.session.session_id}, {place}: {hit.snippet}")
            return
        page = store.list(limit=20)
        while True:
            for summary in page:
                print(line_of(summary))
            if page.next_cursor is None:
                break
            page = store.list(limit=20, cursor=page.next_cursor)
        newest = next((one for one in store.list(limit=20) if one.unreadable is None), None)
        if newest is not None:
            print(f"\nlast words of {newest.session_id}:")
            for message in store.tail(newest.session_id, 3):
                print(f"  {message['role']}: {' '.join(message_text(message).split())[:70]}")


if __name__ == "__main__":
    main()
