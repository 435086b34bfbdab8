"""Secrets in a session: found, and replaced by ``[REDACTED:kind]`` in a copy that can be shared.

A help, no guarantee: ``docs/redaction.md`` says what is found and what is not. The package uses
models and the file format only; no store, no disk but for a person's file of patterns. The
modules, from the top::

    redacting     redact: the flow
    places        every text of a session, and what is left alone
    searching     where the secrets are in many texts, in a time that grows with their length
    json_texts    a JSON text inside a string stays JSON
    own_patterns  a person's own patterns, from a file
    patterns      what a secret looks like: the table
    randomness    whether a text looks like it was drawn at random
"""

from localsessions.redaction.own_patterns import parse_patterns, read_patterns
from localsessions.redaction.patterns import PATTERNS, Pattern
from localsessions.redaction.redacting import FoundSecret, Redacted, redact

__all__ = [
    "PATTERNS",
    "FoundSecret",
    "Pattern",
    "Redacted",
    "parse_patterns",
    "read_patterns",
    "redact",
]
