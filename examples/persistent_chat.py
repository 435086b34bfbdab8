"""A chat that continues where it stopped when it is started again.

    python examples/persistent_chat.py [FOLDER]

Every turn is on the disk before the answer is shown, so a kill or a power cut loses nothing that
you saw. It uses the ``openai`` client if it is installed and OPENAI_API_KEY is set, otherwise a
stand-in model that needs neither.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from localsessions import Message, SessionStore, message_text

Model = Callable[[Sequence[Message]], str]


def stand_in(messages: Sequence[Message]) -> str:
    """Answer without a model, from the messages so far, to show that they are remembered."""
    said = [message_text(message) for message in messages if message["role"] == "user"]
    if len(said) == 1:
        return "That is the first thing you told me."
    return f"That is number {len(said)}. Before it you said: {said[-2]}"


def openai_model(messages: Sequence[Message]) -> str:
    """Answer with a model of OpenAI's; OPENAI_MODEL names the model."""
    import openai

    keys = ("role", "content")
    turns = [{key: message[key] for key in keys if key in message} for message in messages]
    answer = openai.OpenAI().chat.completions.create(
        model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"), messages=turns
    )
    return str(answer.choices[0].message.content)


def choose_model() -> Model:
    """Return a real model if there is a key and a client, else the stand-in."""
    if os.environ.get("OPENAI_API_KEY"):
        try:
            import openai  # noqa: F401
        except ImportError:
            print("(pip install openai to talk to a model; using the stand-in)", file=sys.stderr)
        else:
            return openai_model
    return stand_in


def main() -> None:
    """Show the messages so far, then continue."""
    folder = sys.argv[1] if len(sys.argv) > 1 else "chat-sessions"
    model = choose_model()
    with SessionStore(folder) as store:
        session = store.get("chat") or store.create("chat", title="A chat that goes on")
        for message in session.messages:
            print(f"{message['role']}: {message_text(message)}")
        while line := read_line():
            store.append("chat", {"role": "user", "content": line})
            answer = model(store.load("chat").messages)
            store.append("chat", {"role": "assistant", "content": answer})
            print(f"assistant: {answer}", flush=True)


def read_line() -> str:
    """Return the line that the person types; empty at the end."""
    try:
        return input("you: ").strip()
    except (EOFError, KeyboardInterrupt):
        print()
        return ""


if __name__ == "__main__":
    main()
