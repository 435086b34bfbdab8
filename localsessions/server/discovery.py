"""``.localsessions/server.json``: where the service of a folder is, and the token that it wants.

A client reads it, asks ``/api/v1/health`` with the token and compares ``pid`` and ``started_at``:
if they differ, or nobody answers, the file is one of a service that was killed. Only its owner can
read it. A second service of the same folder takes the name ``server-<pid>.json``.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from localsessions import _system
from localsessions.server.serving import HOSTS

__all__ = ["Advert", "advertised", "is_alive"]

_NAME = "server.json"
_LOCK = "server.lock"
_SECONDS = 2.0
_PATIENCE_SECONDS = 10.0


class Advert(NamedTuple):
    """What a client must know.

    Attributes:
        url: Where the service is, as http://127.0.0.1:8001.
        token: What each request must carry.
        pid: The process.
        started_at: When it began to answer, as health says it.
    """

    url: str
    token: str
    pid: int
    started_at: str


@contextmanager
def advertised(save_dir: str, advert: Advert) -> Iterator[str]:
    """Write the file, and remove it at the end; return its path.

    Raises:
        OSError: The folder cannot be written.
    """
    folder = os.path.join(save_dir, ".localsessions")
    try:
        path = _written(folder, advert)
    except OSError as error:
        raise _no_place(error, folder) from error
    try:
        yield path
    finally:
        if _read(path) == advert._asdict():  # otherwise another service has taken the name
            with contextlib.suppress(OSError):
                _system.unlink(path)


def _written(folder: str, advert: Advert) -> str:
    """Write the file under a name that no living service has; return its path."""
    import filelock

    # Of two that start at once, the second finds the file of the first, and it is whole.
    with filelock.FileLock(os.path.join(folder, _LOCK), timeout=_PATIENCE_SECONDS, mode=0o600):
        path = os.path.join(folder, _NAME)
        if is_alive(_read(path)):
            path = os.path.join(folder, f"server-{advert.pid}.json")
        _write(path, advert)
    return path


def _no_place(error: OSError, folder: str) -> OSError:
    number = errno.EACCES if error.errno == errno.ENOENT else error.errno
    if number not in (errno.EACCES, errno.EPERM, errno.EROFS):
        return error
    return OSError(
        number,
        "the token has no place, since this folder cannot be written; make it writable, choose "
        "another one, or serve without a token (--no-token)",
        folder,
    )


def _write(path: str, advert: Advert) -> None:
    """Write the file in one step; a link that has the name is replaced, never followed."""
    temp = f"{path}.{advert.pid}.new"
    with contextlib.suppress(FileNotFoundError):
        _system.unlink(temp)
    fd = _system.open_file(temp, _system.MAKING, 0o600)
    try:
        _system.make_private(fd)
        os.write(fd, json.dumps(advert._asdict(), indent=2).encode() + b"\n")
    finally:
        os.close(fd)
    _system.rename(temp, path)


def _read(path: str) -> Mapping[str, Any]:
    try:
        fd = _system.open_file(path, _system.READING)
        try:
            found = json.loads(os.read(fd, 65536))
        finally:
            os.close(fd)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_alive(told: Mapping[str, Any]) -> bool:
    """Tell whether the service that a file names answers, and is that one."""
    try:
        address = urlsplit(str(told["url"]))
        if address.hostname not in HOSTS:  # the token that stands there goes to this machine only
            return False
        connection = http.client.HTTPConnection(address.netloc, timeout=_SECONDS)
        try:
            headers = {"Authorization": f"Bearer {told['token']}"}
            connection.request("GET", "/api/v1/health", headers=headers)
            said = json.loads(connection.getresponse().read())
        finally:
            connection.close()
    except (OSError, ValueError, LookupError, http.client.HTTPException):
        return False
    return all(said.get(name) == told.get(name) for name in ("pid", "started_at"))
