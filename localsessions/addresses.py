"""Addresses of stores on a server: how one is told from a folder, and shown without its password.

An address is ``postgresql://user:password@host/database?store=NAME``. It is never taken for the
name of a folder.
"""

from __future__ import annotations

import re
from urllib.parse import quote

__all__ = ["is_address", "named_store", "refuse_address"]

_SCHEME = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9+.-]+)://")
_SERVER = re.compile(r"postgres(ql)?:/?/?")
"""What begins so was meant for a server; ``pathlib.Path`` leaves one slash of two."""


def is_address(text: str) -> bool:
    """Tell whether a text is the address of a store on a server, and no name of a folder.

    Raises:
        ValueError: It looks like an address, and no store can be there.
    """
    found = _SCHEME.match(text)
    if found is not None and found["name"] in ("postgresql", "postgres"):
        return True
    if found is not None:
        raise ValueError(
            f"no store can be kept at {found['name']}://; give a folder, or an address that begins "
            "with postgresql://"
        )
    if _SERVER.match(text):
        raise ValueError(
            "an address begins with postgresql:// and is given as a str: a Path drops a slash"
        )
    return False


def named_store(address: str, name: str) -> str:
    """Return the address of another store in the same database."""
    base, _, asked = address.partition("?")
    kept = [one for one in asked.split("&") if one and not one.startswith("store=")]
    return f"{base}?{'&'.join([*kept, f'store={quote(name, safe=str())}'])}"


def refuse_address(text: str, remedy: str) -> None:
    """Refuse the address of a server where only a file or a folder will do.

    Args:
        text: What was given.
        remedy: What to use instead.

    Raises:
        ValueError: It is an address, or looks like one.
    """
    if is_address(text):
        raise ValueError(f"an address of a server is no file: {remedy}")
