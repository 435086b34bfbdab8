"""Reading many files in a row: as little as each needs, where nothing is out of the ordinary."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import NamedTuple

from localsessions._files import durable
from localsessions._version import Fingerprint

__all__ = ["Glance", "glance"]


class Glance(NamedTuple):
    """What a file held, and its fingerprint before it was read.

    Only where its name leads to a file of this fingerprint afterwards, too, was it one version.
    """

    data: bytes
    fingerprint: Fingerprint


def glance(path: str, most_bytes: int) -> Glance | None:
    """Return what a plain file holds; None where ``SessionFolder.read`` has to find out why not."""
    try:
        fd = os.open(path, durable.READING)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        size = status.st_size
        if not stat.S_ISREG(status.st_mode) or size > most_bytes:
            return None
        data = os.read(fd, size + 1)
    except OSError:
        return None
    finally:
        with contextlib.suppress(OSError):  # of a file that was only read it says nothing
            os.close(fd)
    return Glance(data, durable.fingerprint_of(status)) if len(data) == size else None
