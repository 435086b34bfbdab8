"""Checkpoint <-> bytes: an immutable snapshot in its own file, beside its session.

If checkpoints were in the session's file, every append would rewrite them all: 100 checkpoints that
each hold the history so far are fifty times as large as the chat itself.
"""

from __future__ import annotations

import copy

from pydantic import JsonValue

from localsessions._codec.session_file import decode_value, encode_value
from localsessions.errors import UnreadableSessionError
from localsessions.models import Checkpoint, format_instant, made_id, parse_instant, utc_now

__all__ = ["decode", "encode", "made"]

FORMAT = "localsessions-checkpoint/1"


def made(session_id: str, data: JsonValue) -> Checkpoint:
    """Return a new checkpoint of a copy of ``data``."""
    return Checkpoint(made_id("ckpt"), session_id, copy.deepcopy(data), utc_now())


def encode(checkpoint: Checkpoint) -> bytes:
    """Return the file of a checkpoint.

    Raises:
        UnstorableValueError: A value would be lost or changed.
    """
    document: dict[str, JsonValue] = {
        "format": FORMAT,
        "checkpoint_id": checkpoint.checkpoint_id,
        "session_id": checkpoint.session_id,
        "created_at": format_instant(checkpoint.created_at),
        "data": checkpoint.data,
    }
    return encode_value(document, session_id=checkpoint.session_id)


def decode(data: bytes, session_id: str, path: str) -> Checkpoint:
    """Return the checkpoint that a file holds.

    Raises:
        UnreadableSessionError: The file holds no checkpoint.
    """
    document = decode_value(data, session_id=session_id, path=path)
    if isinstance(document, dict) and "data" in document:
        checkpoint_id, created_at = document.get("checkpoint_id"), document.get("created_at")
        if isinstance(checkpoint_id, str) and isinstance(created_at, str):
            try:
                instant = parse_instant(created_at)
            except ValueError as error:
                raise UnreadableSessionError(session_id, str(error), path=path) from None
            return Checkpoint(checkpoint_id, session_id, document["data"], instant)
    raise UnreadableSessionError(session_id, "it holds no checkpoint", path=path)
