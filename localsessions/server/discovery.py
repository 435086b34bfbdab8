"""``.localsessions/server.json``: where the service of a folder is, and the token that it wants.

A client reads it, asks ``/api/v1/health`` with the token and compares ``pid`` and ``started_at``:
if they differ, or nobody answers, the file is one of a service that was killed. Only its owner can
read it. A second service of the same folder takes the name ``server-<pid>.json``.

The service of an address has no such folder. Its file stands in the user's runtime folder, in
``localsessions/<hash>``; the hash is one of the address without its password.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import json
import os
import re
import stat
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from localsessions import _system
from localsessions.server.serving import HOSTS, PREFIX

__all__ = ["Advert", "advertised", "folder_of", "has_place", "is_alive", "page_of_running"]

_NAME = "server.json"
_LOCK = "server.lock"
_ADDRESS = "postgresql://"
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


def has_place(save_dir: str) -> bool:
    """Tell whether the file has a place: an engine of one's own may have none."""
    return os.path.isdir(save_dir) or save_dir.startswith(_ADDRESS)


def folder_of(save_dir: str) -> str:
    """Return the folder in which the file of a store's service stands.

    Args:
        save_dir: ``SessionStore.save_dir``; an address has no password there.
    """
    if not save_dir.startswith(_ADDRESS):
        return os.path.join(save_dir, ".localsessions")
    import platformdirs

    with warnings.catch_warnings():  # it warns where it takes another folder than the usual one
        warnings.simplefilter("ignore", UserWarning)
        runtime = platformdirs.user_runtime_dir("localsessions", appauthor=False)
    return os.path.join(runtime, hashlib.sha256(save_dir.encode()).hexdigest()[:16])


@contextmanager
def advertised(save_dir: str, advert: Advert) -> Iterator[str]:
    """Write the file, and remove it at the end; return its path.

    Raises:
        OSError: The folder cannot be written.
    """
    folder = folder_of(save_dir)
    try:
        if save_dir.startswith(_ADDRESS):
            _make_private(folder)
        path = _written(folder, advert)
    except OSError as error:
        raise _no_place(error, folder) from error
    try:
        yield path
    finally:
        if _read(path) == advert._asdict():  # otherwise another service has taken the name
            with contextlib.suppress(OSError):
                _system.unlink(path)


class _ForeignError(PermissionError):
    """A folder for the file is in the hands of another user."""


def _make_private(folder: str) -> None:
    """Make a folder below the user's runtime folder, which only the user may enter.

    Raises:
        _ForeignError: Another user made it, or one above it, or may write there.
    """
    own = os.path.dirname(folder)
    runtime = os.path.dirname(own)
    os.makedirs(runtime, mode=0o700, exist_ok=True)
    for one in (own, folder):
        with contextlib.suppress(FileExistsError):
            _system.make_folder(one)
    for one in (runtime, own, folder):
        if not _is_own(one):
            raise _ForeignError(
                errno.EACCES,
                "the token has no place, since another user may change this folder; remove it, "
                "name another one in XDG_RUNTIME_DIR, or serve without a token (--no-token)",
                one,
            )


def _is_own(folder: str) -> bool:
    found = os.lstat(folder)
    if os.name != "posix":  # there the folder is inside that of the user
        return stat.S_ISDIR(found.st_mode)
    is_writable = stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not is_writable


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
    if isinstance(error, _ForeignError) or number not in (errno.EACCES, errno.EPERM, errno.EROFS):
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
    said = _answer(told, "GET", "/health")
    return bool(said) and all(said.get(name) == told.get(name) for name in ("pid", "started_at"))


def page_of_running(save_dir: str) -> str | None:
    """Return where the page of a service of this folder is, with a code that works once.

    None if no service runs, or the one that runs has no page.
    """
    told = _read(os.path.join(folder_of(save_dir), _NAME))
    if not is_alive(told):
        return None
    code = _answer(told, "POST", "/codes").get("code")
    # What a person's browser opens is made of checked parts: anybody may have written the file.
    if not (isinstance(code, str) and re.fullmatch(r"[\w-]{40,200}", code, re.ASCII)):
        return None
    return f"http://{urlsplit(str(told['url'])).netloc}/#code={code}"


def _answer(told: Mapping[str, Any], method: str, path: str) -> Mapping[str, Any]:
    """Ask the service that a file names; return what it answers, nothing if it does not."""
    try:
        address = urlsplit(str(told["url"]))
        if address.hostname not in HOSTS or address.username is not None:
            return {}  # the token that stands there goes to this machine only
        connection = http.client.HTTPConnection(address.netloc, timeout=_SECONDS)
        try:
            headers = {"Authorization": f"Bearer {told['token']}"}
            connection.request(method, PREFIX + path, headers=headers)
            response = connection.getresponse()
            said = json.loads(response.read()) if response.status < 300 else None
        finally:
            connection.close()
    except (OSError, ValueError, LookupError, http.client.HTTPException):
        return {}
    return said if isinstance(said, dict) else {}
