"""Archives as tests make them: those of ``back_up``, taken apart and put together otherwise."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from collections.abc import Callable
from io import BytesIO
from typing import Any, TypeAlias

from localsessions import SessionStore
from localsessions.backups import back_up

__all__ = [
    "MANIFEST",
    "Edit",
    "Part",
    "edited",
    "file_of",
    "made",
    "parts_of",
    "put_together",
    "sealed",
]

MANIFEST = ".localsessions-backup.json"

Part: TypeAlias = tuple[tarfile.TarInfo, bytes]
Edit: TypeAlias = Callable[[list[Part]], object]


def made(store: SessionStore, **options: Any) -> bytes:
    """Return a backup of a store."""
    file = BytesIO()
    back_up(store, file, **options)
    return file.getvalue()


def parts_of(data: bytes) -> list[Part]:
    """Return the members of an archive as the standard library reads them."""
    with tarfile.open(fileobj=BytesIO(data)) as archive:
        members = archive.getmembers()
        read = (archive.extractfile(one) for one in members)
        return [
            (one, file.read() if file else b"") for one, file in zip(members, read, strict=True)
        ]


def put_together(parts: list[Part], *, is_packed: bool = False) -> bytes:
    """Return an archive of members; sizes are those of the bytes."""
    file = BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for header, data in parts:
            header.size = len(data) if header.isreg() else 0
            archive.addfile(header, BytesIO(data))
    return gzip.compress(file.getvalue(), mtime=0) if is_packed else file.getvalue()


def file_of(name: str, data: bytes = b"{}") -> Part:
    return tarfile.TarInfo(name), data


def edited(data: bytes, edit: Callable[[dict[str, Any]], object]) -> bytes:
    """Return an archive whose manifest is another."""
    parts = parts_of(data)
    header, told = parts[-1]
    document = json.loads(told)
    edit(document)
    return put_together([*parts[:-1], (header, sealed(document))])


def sealed(document: dict[str, Any]) -> bytes:
    """Return the bytes of a manifest with the hash that belongs to them."""
    document.pop("sha256", None)
    body = json.dumps(document).removesuffix("}").encode()
    return body + f',\n "sha256": "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode()
