"""What a person or a program may change of a session, chosen by numbers that a fuzzer makes."""

from __future__ import annotations

from pydantic import JsonValue

from localsessions import Session

__all__ = ["edit"]


def edit(session: Session, act: int, where: int, what: int) -> None:
    """Change a session in one of ten ways, at one of its places."""
    messages = session.messages
    place = where % max(len(messages), 1)
    made: dict[str, JsonValue] = {"role": "user", "content": what}
    match act % 10:
        case 0:
            messages.append(made)
        case 1:
            messages.append({"id": f"n{what % 8}", **made})
        case 2 if messages:
            messages[place] = {**messages[place], "content": what}
        case 3 if messages:
            del messages[place]
        case 4 if messages:
            messages.insert(0, messages.pop(place))
        case 5:
            session.state[str(where % 4)] = what
        case 6:
            session.state.pop(str(where % 4), None)
        case 7:
            session.tags = [*session.tags, str(what % 4)] if where % 2 else session.tags[1:]
        case 8:
            session.runs.append({"run_id": f"r{where % 3}", "status": what})
        case _:
            session.title = str(what % 3)
