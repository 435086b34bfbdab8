"""Transcripts of other programs: read into sessions, and sessions written for other programs.

This package holds a short file for each foreign format, and the code that all formats share. It
uses a store only through ``SessionStore``, and above it only the CLI imports it.

To add a format, write one file and one line:

1. ``programs/<program>.py`` with a constant ``Format(name, agent_id, recognises, read)``.
   ``recognises(source)`` looks at the content (``source.root`` and ``source.document`` of a JSON
   file, ``source.records`` of JSON Lines, ``source.database``), never at the name. Where two
   formats recognise a source, the first in the list reads it. ``read(source)`` returns a
   ``Reading``: a ``Transcript`` for each session, made when it is asked for if there are many, and
   a count in ``bookkeeping`` for every record that is not a message. A format whose files are
   lists or lines of conversations says ``one_by_one`` and takes them from ``source.elements()`` or
   ``source.lines()``. Make messages with ``message`` or ``chat_message`` (``transcript.py``). Read
   foreign JSON with ``as_text``, ``as_object``, ``as_list`` (``foreign.py``), so that no file can
   make it raise.
2. A line in ``FORMATS`` (``registry.py``).
3. A real, freely licensed file in ``examples/transcripts`` with its row in the README there and
   in ``tests/transcripts/test_real_transcripts.py``.

Ids, times, titles, ``source``, repeated imports, files that grew and files that
diverged work the same for all formats; a format does nothing for them.
"""

from localsessions.transcripts.exporting import EXPORT_SUFFIXES, ExportKind, export, left_out
from localsessions.transcripts.files import FileState, file_state, files_in
from localsessions.transcripts.importing import import_paths, read_transcript
from localsessions.transcripts.lines import BadLine
from localsessions.transcripts.places import PROGRAMS, Place, known_places
from localsessions.transcripts.registry import FORMATS
from localsessions.transcripts.report import (
    FileReport,
    FormatTotals,
    ImportReport,
    RefusedSession,
    TranscriptFile,
)
from localsessions.transcripts.resuming import NoResumption, Resumption, resumption_of
from localsessions.transcripts.transcript import Format

__all__ = [
    "EXPORT_SUFFIXES",
    "FORMATS",
    "PROGRAMS",
    "BadLine",
    "ExportKind",
    "FileReport",
    "FileState",
    "Format",
    "FormatTotals",
    "ImportReport",
    "NoResumption",
    "Place",
    "RefusedSession",
    "Resumption",
    "TranscriptFile",
    "export",
    "file_state",
    "files_in",
    "import_paths",
    "known_places",
    "left_out",
    "read_transcript",
    "resumption_of",
]
