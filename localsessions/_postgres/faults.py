"""What an error of the server means for a person: errors of the family, without any secret."""

from __future__ import annotations

import errno

import psycopg
from psycopg import errors as pg

from localsessions._postgres.address import Address
from localsessions.errors import StoreUnavailableError

__all__ = ["Lost", "is_lost", "is_passing", "is_refusal", "is_unprepared", "meaning_of"]


class Lost(Exception):  # noqa: N818  (never leaves this package)
    """The connection was lost, and nothing was written: the act may be done again."""


# What the server ends or refuses, and what the next try may get.
_ENDED = (
    *(pg.AdminShutdown, pg.CrashShutdown, pg.CannotConnectNow, pg.DatabaseDropped),
    *(pg.IdleInTransactionSessionTimeout, pg.IdleSessionTimeout, pg.ConnectionException),
)
_PASSING = (pg.SerializationFailure, pg.DeadlockDetected)


def is_lost(error: psycopg.Error) -> bool:
    """Tell whether an error means that the connection is gone, or was not to be had.

    What the server itself says has a state; what libpq says of a connection has none.
    """
    if isinstance(error, _ENDED):
        return True
    return isinstance(error, psycopg.OperationalError) and error.sqlstate is None


def is_passing(error: psycopg.Error) -> bool:
    """Tell whether the server asks to do the transaction again; it has done nothing."""
    return isinstance(error, _PASSING)


def is_unprepared(error: psycopg.Error) -> bool:
    """Tell whether the connection goes to other servers from transaction to transaction."""
    return isinstance(error, pg.InvalidSqlStatementName | pg.DuplicatePreparedStatement)


def meaning_of(error: psycopg.Error, address: Address, session_id: str | None = None) -> Exception:
    """Return the error that a person is told."""
    what = address.clean(error.diag.message_primary or str(error) or type(error).__name__)
    if isinstance(error, pg.ReadOnlySqlTransaction):
        why = "the server is a standby, or lets nobody write; give the address of the primary"
        return PermissionError(errno.EROFS, why, address.shown)
    if isinstance(error, pg.InsufficientPrivilege):
        remedy = "docs/postgres.md says which privileges a store needs"
        return PermissionError(errno.EACCES, f"{what}; {remedy}", address.shown)
    if isinstance(error, pg.DiskFull):
        return OSError(errno.ENOSPC, f"the server's disk is full ({what})", address.shown)
    remedy = "try again when the server answers"
    if isinstance(error, pg.TooManyConnections):
        remedy = "let fewer programs in, or raise max_connections of the server"
    elif isinstance(error, pg.InvalidPassword | pg.InvalidAuthorizationSpecification):
        remedy = "give user and password in the address, in PGPASSWORD, or in ~/.pgpass"
    elif isinstance(error, pg.InvalidCatalogName):
        remedy = "make the database with createdb, or name another in the address"
    elif is_refusal(error):
        remedy = "give the right user and password in the address, in PGPASSWORD, or in ~/.pgpass"
    return StoreUnavailableError(address.shown, what, remedy, session_id=session_id)


def is_refusal(error: psycopg.Error) -> bool:
    """Tell whether a login was refused; libpq tells it by words only."""
    return any(one in str(error) for one in _REFUSALS)


_REFUSALS = ("authentication failed", "no password supplied", "does not exist", "pg_hba.conf")
