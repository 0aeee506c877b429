"""Feedback in PostgreSQL: several processes, on one machine or many, share it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from typing import Any

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool, PoolTimeout

from genrec.console import remark
from genrec.errors import ArtifactError
from genrec.serving.histories.base import MOST_STORED, StoredEvent
from genrec.serving.histories.reach import ANSWER_S, Reach, place

_CONNECTIONS = 8  # of one process at most
_PAGE = 2000  # events of the log that are fetched at once
_TABLE = "genrec_feedback"
_LOCK = 7_305_804_402_449_805_668  # ours among the database's advisory locks; an arbitrary number
_TYPES = {
    "user_id": "text",
    "item_id": "text",
    "timestamp": "bigint",
    "behavior": "text",
    "value": "double precision",
    "domain": "text",
    "request_id": "text",
    "position": "integer",
    "event_id": "text",
}
# A server that vanishes without a word is noticed in seconds; statements are not prepared, for pgbouncer's sake.
_OPTIONS: dict[str, Any] = {
    "application_name": "genrec",
    "autocommit": True,
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
    "prepare_threshold": None,
}
_REMEDY = "See that the server runs and that serve.histories names an existing database and a user who may use it."
_COLUMNS = ", ".join(field.name for field in fields(StoredEvent))
# Ids are compared by code point, as SQLite and Python do, whatever the database's own order is.
_SCHEMA = f"""
CREATE TABLE {_TABLE} (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL, item_id TEXT NOT NULL, timestamp BIGINT NOT NULL,
    behavior TEXT, value DOUBLE PRECISION, domain TEXT, request_id TEXT, position INTEGER, event_id TEXT UNIQUE
);
CREATE INDEX {_TABLE}_of_user ON {_TABLE} (user_id, timestamp, number)
"""
# One statement is one transaction: the events are stored all or none, after one round trip.
_INSERT = f"""
INSERT INTO {_TABLE} ({_COLUMNS})
SELECT {_COLUMNS} FROM unnest({", ".join(f"%s::{kind}[]" for kind in _TYPES.values())})
WITH ORDINALITY AS event ({_COLUMNS}, place) ORDER BY place
ON CONFLICT (event_id) DO NOTHING
"""
_HISTORY = f"SELECT {_COLUMNS} FROM {_TABLE} WHERE user_id = %s ORDER BY timestamp DESC, number DESC LIMIT %s"
_USERS = f"""
SELECT DISTINCT user_id FROM {_TABLE} WHERE strpos(lower(user_id), lower(%s::text COLLATE "C")) > 0
ORDER BY user_id LIMIT %s
"""
_LOG = f"SELECT {_COLUMNS} FROM {_TABLE} ORDER BY number"


class PostgresHistories:
    """Keeps feedback in a table of a PostgreSQL database, made if it is not there.

    What :meth:`append` has returned from is in the server's write-ahead log on its disk: a session that finds
    ``synchronous_commit`` off turns it on.

    Args:
        url: as libpq takes it: ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE?option=…``.

    Raises:
        ArtifactError: if the database cannot be reached or used.
    """

    def __init__(self, url: str) -> None:
        self._url, self._place = url, place(url)
        try:
            with self._connect() as connection:
                _prepare(connection, self._place)
        except psycopg.Error as error:
            # Where there is no state, libpq could not read the URL and quotes it, perhaps with the password.
            unread = isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None
            why = "the URL cannot be read" if unread else str(error)
            raise ArtifactError(f"{self._place} cannot be used for users' histories: {why}", _REMEDY) from None
        down = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
        self._reach = Reach(self._place, down, (PoolTimeout,))
        self._pool = ConnectionPool(
            url,
            kwargs=_OPTIONS,
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=ANSWER_S,
            reconnect_timeout=ANSWER_S,  # or it would sleep longer and longer while the server is gone
            configure=_durable,
            check=ConnectionPool.check_connection,
            open=True,
        )

    def append(self, events: Sequence[StoredEvent]) -> int:
        """Store events; see :meth:`genrec.serving.histories.base.HistoryStore.append`."""
        if not events:
            return 0
        columns = [list(column) for column in zip(*map(astuple, events), strict=True)]
        with self._reach(), self._pool.connection() as connection:
            return connection.execute(_INSERT, columns).rowcount

    def history(self, user_id: str) -> list[StoredEvent]:
        """Return a user's latest events, oldest first."""
        return [StoredEvent(*row) for row in reversed(self._all(_HISTORY, user_id, MOST_STORED))]

    def at_once(self, user_id: str) -> None:
        """Return None: the server may take its time."""

    def users(self, text: str, most: int) -> list[str]:
        """Return users whose id holds a text, sorted."""
        return [user for (user,) in self._all(_USERS, text, most)]

    def log(self) -> Iterator[StoredEvent]:
        """Yield all events in the order of their arrival, as they were when the reading began."""
        with self._reach(), self._connect(autocommit=False) as reader, reader.cursor(name="genrec_log") as cursor:
            cursor.itersize = _PAGE
            for row in cursor.execute(_LOG):
                yield StoredEvent(*row)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _connect(self, **options: bool) -> Connection:
        return psycopg.connect(self._url, **(_OPTIONS | options))

    def _all(self, query: str, *values: str | int) -> list[tuple]:
        with self._reach(), self._pool.connection() as connection:
            return connection.execute(query, values).fetchall()


def _prepare(connection: Connection, place: str) -> None:
    """Make the table unless it is there, and look at what feedback depends on.

    Raises:
        ArtifactError: if the database cannot hold every id.
    """
    if _value(connection, "SHOW server_encoding") != "UTF8":
        raise ArtifactError(f"The database at {place} is not in UTF-8.", "CREATE DATABASE … ENCODING 'UTF8'")
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])  # several processes may start at once
        if _value(connection, f"SELECT to_regclass('{_TABLE}')") is None:
            connection.execute(_SCHEMA)
    connection.execute(f"SELECT {_COLUMNS} FROM {_TABLE} LIMIT 0")
    if _value(connection, "SHOW fsync") == "off":
        remark(f"{place} has fsync off: feedback may be lost when its machine fails.")


def _value(connection: Connection, query: str) -> object:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def _durable(connection: Connection) -> None:
    """See that a commit is answered when it is on the server's disk."""
    off = "current_setting('synchronous_commit') = 'off'"
    connection.execute(f"SELECT set_config('synchronous_commit', 'on', false) WHERE {off}")
