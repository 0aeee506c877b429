"""Feedback in one SQLite file: nothing to install; several processes of one machine may share it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, fields
from pathlib import Path

from genrec.errors import ArtifactError
from genrec.serving.histories.base import MOST_STORED, StoredEvent
from genrec.serving.histories.reach import Reach

_COLUMNS = ", ".join(field.name for field in fields(StoredEvent))
_PLACES = ", ".join("?" for _ in fields(StoredEvent))
_FEW = 200  # events of a user that are read in half a millisecond
_PATIENCE = 30.0  # seconds to wait for another process that writes
_SCHEMA = """
CREATE TABLE IF NOT EXISTS feedback (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL, item_id TEXT NOT NULL, timestamp INTEGER NOT NULL,
    behavior TEXT, value REAL, domain TEXT, request_id TEXT, position INTEGER, event_id TEXT UNIQUE
) STRICT;
CREATE INDEX IF NOT EXISTS feedback_of_user ON feedback (user_id, timestamp, number);
"""


class SQLiteHistories:
    """Keeps feedback in a SQLite file.

    The journal is a write-ahead log that is flushed at every commit (``synchronous=FULL``): what :meth:`append`
    has returned from is on the disk. Who reads waits for nobody who writes: each has a connection of its own.

    Args:
        file: made if it does not exist.

    Raises:
        ArtifactError: if it cannot be opened, or is no such database.
    """

    def __init__(self, file: Path) -> None:
        self._file = Path(file)
        self._writing, self._reading, self._hurrying = threading.Lock(), threading.Lock(), threading.Lock()
        self._reach = Reach(str(file), (sqlite3.OperationalError,))  # such as a full disk
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._writer = sqlite3.connect(self._file, check_same_thread=False, timeout=_PATIENCE)
            _write_ahead(self._writer)
            self._writer.execute("PRAGMA synchronous=FULL")
            self._writer.executescript(_SCHEMA)
            self._reader = sqlite3.connect(self._file, check_same_thread=False, timeout=_PATIENCE)
            self._hasty = sqlite3.connect(self._file, check_same_thread=False, timeout=0)
            self._reader.execute(f"SELECT {_COLUMNS} FROM feedback LIMIT 0")
        except (sqlite3.Error, OSError) as error:
            raise ArtifactError(
                f"{file} cannot be used for users' histories: {error}", "Move it away, or set serve.histories."
            ) from error

    def append(self, events: Sequence[StoredEvent]) -> int:
        """Store events; see :meth:`genrec.serving.histories.base.HistoryStore.append`."""
        with self._reach(), self._writing, self._writer:
            before = self._writer.total_changes
            self._writer.executemany(
                f"INSERT INTO feedback ({_COLUMNS}) VALUES ({_PLACES}) ON CONFLICT (event_id) DO NOTHING",
                [astuple(event) for event in events],
            )
            return self._writer.total_changes - before

    def history(self, user_id: str) -> list[StoredEvent]:
        """Return a user's latest events, oldest first."""
        with self._reach(), self._reading:
            return _latest(self._reader, user_id, MOST_STORED)

    def at_once(self, user_id: str) -> list[StoredEvent] | None:
        """Return a user's events if they are few and nobody has the file; see :class:`HistoryStore`."""
        if not self._hurrying.acquire(blocking=False):
            return None
        try:
            events = _latest(self._hasty, user_id, _FEW + 1)
        except sqlite3.OperationalError:
            return None  # whoever takes the time is told why
        finally:
            self._hurrying.release()
        return events if len(events) <= _FEW else None

    def users(self, text: str, most: int) -> list[str]:
        """Return users whose id holds a text, sorted."""
        query = (
            "SELECT DISTINCT user_id FROM feedback WHERE instr(lower(user_id), lower(?)) ORDER BY user_id LIMIT ?"
        )
        with self._reach(), self._aside() as reader:
            return [user for (user,) in reader.execute(query, (text, most))]

    def log(self) -> Iterator[StoredEvent]:
        """Yield all events in the order of their arrival."""
        with self._reach(), self._aside() as reader:
            for row in reader.execute(f"SELECT {_COLUMNS} FROM feedback ORDER BY number"):
                yield StoredEvent(*row)

    def close(self) -> None:
        """Close the file."""
        with self._writing, self._reading, self._hurrying:
            for connection in (self._hasty, self._reader, self._writer):
                connection.close()

    def _aside(self) -> closing[sqlite3.Connection]:
        """Return a connection of its own, so that nobody waits for a long reading."""
        return closing(sqlite3.connect(self._file))


def _latest(connection: sqlite3.Connection, user_id: str, most: int) -> list[StoredEvent]:
    """Return a user's latest events, oldest first."""
    query = f"SELECT {_COLUMNS} FROM feedback WHERE user_id = ? ORDER BY timestamp DESC, number DESC LIMIT ?"
    return [StoredEvent(*row) for row in reversed(connection.execute(query, (user_id, most)).fetchall())]


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Let the journal be a write-ahead log.

    The first who does so needs the file for himself. For that SQLite does not wait as it does for other locks, and
    several services may start at once.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.02)
