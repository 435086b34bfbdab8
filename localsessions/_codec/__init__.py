"""Session <-> bytes: the file format, its fidelity, and why a file cannot be read.

Pure: no disk, no clock, no lock::

    session_file  a session <-> its file, with the proof that nothing is lost
    layout        the layout of a session file: the limits of JSON, the fields, the places
    summary       the line of a listing, made from a session or directly from a file's document
    checkpoint    a snapshot <-> bytes
    salvage       the whole parts at the beginning of a torn file
    explaining    why something is not a session, and where; imported at use
    strict        the parser for files that orjson did not write or would not read without loss;
                  imported at use
"""

from localsessions._codec.differing import NOTHING, Differing, MessagesLaidOut, differing
from localsessions._codec.layout import (
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_FILE_BYTES,
    added,
    common_end,
    first_message,
    is_as_written,
    known_fields,
    last_messages_begin,
    messages_begin,
    messages_end,
    place_of_message,
    places_of_messages,
    without_messages,
)
from localsessions._codec.session_file import (
    as_it_was,
    decode,
    decode_ends,
    decode_value,
    encode,
    encode_document,
    encode_value,
    inner_id,
    is_unchanged,
    parse_json,
    parse_proven,
    rebase,
    revised,
)

__all__ = [
    "MAX_DEPTH",
    "MAX_DIGITS",
    "MAX_FILE_BYTES",
    "NOTHING",
    "Differing",
    "MessagesLaidOut",
    "added",
    "as_it_was",
    "common_end",
    "decode",
    "decode_ends",
    "decode_value",
    "differing",
    "encode",
    "encode_document",
    "encode_value",
    "first_message",
    "inner_id",
    "is_as_written",
    "is_unchanged",
    "known_fields",
    "last_messages_begin",
    "messages_begin",
    "messages_end",
    "parse_json",
    "parse_proven",
    "place_of_message",
    "places_of_messages",
    "rebase",
    "revised",
    "without_messages",
]
