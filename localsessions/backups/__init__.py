"""Backups: all sessions of a store in one archive, and back.

An archive is tar, compressed by gzip, zstd or not at all. It holds every session byte for byte,
its checkpoints, the trash, and a manifest with the size and SHA-256 of each::

    with SessionStore(folder) as store, open("chats.tar.gz", "xb") as file:
        back_up(store, file)
    with SessionStore(another) as store, open("chats.tar.gz", "rb") as file:
        restore_backup(store, check_backup(file))

Rooms: ``archives`` is tar and its compression, ``manifests`` what a backup says of itself,
``backing_up`` and ``restoring`` the two ways.
"""

from localsessions.backups.archives import Compression, has_zstd
from localsessions.backups.backing_up import back_up
from localsessions.backups.manifests import VERSION, Entry, Left, Manifest, Restored
from localsessions.backups.restoring import (
    Backup,
    RestoreReport,
    check_backup,
    restore_backup,
)

__all__ = [
    "VERSION",
    "Backup",
    "Compression",
    "Entry",
    "Left",
    "Manifest",
    "RestoreReport",
    "Restored",
    "back_up",
    "check_backup",
    "has_zstd",
    "restore_backup",
]
