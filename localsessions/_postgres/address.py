"""Address: where a store is, and what is shown of it. The password is in no text that is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

__all__ = ["Address", "read_address"]

STORE = "sessions"
"""The store of an address that names none."""

_MOST_CONNECTIONS = 16
_SECRETS = ("password", "sslpassword", "passfile")
_HIDDEN = "***"


@dataclass(frozen=True)
class Address:
    """Where a store is.

    Attributes:
        shown: The address for people, without any secret.
        store: The name of the store in its database.
        connections: How many connections an engine opens at most.
        options: What libpq is given; it holds the password.
        secrets: The texts that are shown nowhere.
    """

    shown: str
    store: str
    connections: int
    options: dict[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def clean(self, text: str) -> str:
        """Return a text of the server or of libpq on one line, without any secret."""
        for secret in self.secrets:
            text = text.replace(secret, _HIDDEN)
        return " ".join(text.split())


def read_address(text: str) -> Address:
    """Take an address apart.

    Raises:
        ValueError: It is not one; the message repeats nothing of it, since a password may be there.
    """
    _refuse_ambiguous(text)
    base, _, asked = text.partition("?")
    try:
        pairs = parse_qsl(asked, keep_blank_values=True, strict_parsing=bool(asked))
        own = {key: value for key, value in pairs if key in ("store", "connections")}
        rest = urlencode([pair for pair in pairs if pair[0] not in own], quote_via=quote)
        options = {
            key: str(value)
            for key, value in conninfo_to_dict(f"{base}?{rest}" if rest else base).items()
            if value is not None
        }
    except (ValueError, psycopg.ProgrammingError):
        raise ValueError(f"the address cannot be read: {_LIKE}") from None
    store, connections = own.get("store", STORE), own.get("connections", str(_MOST_CONNECTIONS))
    if not store.isprintable() or not 0 < len(store.encode("utf-8", "replace")) <= 200:
        raise ValueError(f"store= in the address must be a short name: {_LIKE}")
    if not (connections.isascii() and connections.isdigit() and 0 < int(connections) <= 1000):
        raise ValueError(f"connections= in the address must be 1 to 1000: {_LIKE}")
    ports = options.get("port", "").replace(",", "0") or "0"
    if not (ports.isascii() and ports.isdigit()):
        raise ValueError(f"the port in the address must be a number: {_LIKE}")
    secrets = tuple(_spellings(options[key] for key in _SECRETS if options.get(key)))
    return Address(_shown(options, store), store, int(connections), options, secrets)


_LIKE = (
    "write postgresql://user@host:5432/database?store=NAME, and percent-encode '@', ':', '/', '?' "
    "and '#' in a password as %40, %3A, %2F, %3F and %23"
)


def _refuse_ambiguous(text: str) -> None:
    """Refuse what libpq would read in another way than it was meant, and then name in errors."""
    rest = text.partition("://")[2]
    authority = rest
    for end in "/?":
        authority = authority.partition(end)[0]
    if rest.count("@") > 1 or ("@" in rest and "@" not in authority) or "#" in rest:
        raise ValueError(f"the address cannot be read: {_LIKE}")
    if not rest.isprintable() or " " in rest:
        raise ValueError(f"the address cannot be read: {_LIKE}")


def _spellings(secrets: Iterable[str]) -> Iterable[str]:
    for secret in secrets:
        yield from dict.fromkeys((secret, quote(secret, safe=""), quote(secret), unquote(secret)))


def _shown(options: dict[str, str], store: str) -> str:
    user, host = options.get("user"), options.get("host") or options.get("hostaddr", "")
    port, database = options.get("port"), options.get("dbname", "")
    beside = [("store", store)] if store != STORE else []
    if not host or "/" in host:  # a folder with a socket stands behind, as libpq takes it
        beside = [*([("host", host)] if host else []), *([("port", port)] if port else []), *beside]
        host = ""
    hosts, ports = host.split(","), (port or "").split(",")
    if len(ports) < len(hosts):
        ports = ports * len(hosts)
    places = [_place(one, ports[at]) for at, one in enumerate(hosts)] if host else []
    named = f"{quote(user, safe='')}@" if user else ""
    asked = f"?{urlencode(beside, quote_via=quote, safe='/')}" if beside else ""
    return f"postgresql://{named}{','.join(places)}/{quote(database, safe='')}{asked}"


def _place(host: str, port: str) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{port}" if port else name
