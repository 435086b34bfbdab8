"""A caller that adds messages until it is told to stop, and writes down what was acknowledged."""

from __future__ import annotations

from pathlib import Path

from localsessions import ConflictError, SessionStore, StoreUnavailableError

__all__ = ["take_turns"]


def take_turns(address: str, place: str, who: str, names: list[str]) -> None:
    """Append one message after the other, each with a mark of its own.

    Args:
        address: The store.
        place: A folder: marks go into files in it, and ``over`` ends the work.
        who: The caller's name.
        names: The sessions, in turn.
    """
    folder, number = Path(place), 0
    with SessionStore(address, lock_timeout=60) as store, (folder / who).open("a") as told:
        while not (folder / "over").exists():
            mark, name = f"{who}.{number}", names[number % len(names)]
            number += 1
            try:
                if number % 3:
                    store.append(name, {"role": "user", "content": mark})
                else:
                    with store.edit(name) as session:
                        session.messages.append({"role": "user", "content": mark})
                outcome = "done"
            except ConflictError:  # inside edit the lock was lost, and another caller wrote
                outcome = "refused"
            except StoreUnavailableError as error:
                outcome = "unknown" if error.is_unknown else "refused"
            told.write(f"{mark} {outcome} {name}\n")
            told.flush()
