"""Feedback in one SQLite file: nothing to install; several processes of one machine may share it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, fields
from pathlib import Path

from genrec.errors import ArtifactError
from genrec.serving.histories.base import MOST_STORED, StoredEvent
from genrec.serving.histories.reach import Reach

_COLUMNS = ", ".join(field.name for field in fields(StoredEvent))
_PLACES = ", ".join("?" for _ in fields(StoredEvent))
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
    has returned from is on the disk.

    Args:
        file: made if it does not exist.

    Raises:
        ArtifactError: if it cannot be opened, or is no such database.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._lock = Path(file), threading.Lock()
        self._reach = Reach(str(file), (sqlite3.OperationalError,))  # such as a full disk
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._file, check_same_thread=False, timeout=30)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(_SCHEMA)
            self._connection.execute(f"SELECT {_COLUMNS} FROM feedback LIMIT 0")
        except (sqlite3.Error, OSError) as error:
            raise ArtifactError(
                f"{file} cannot be used for users' histories: {error}", "Move it away, or set serve.histories."
            ) from error

    def append(self, events: Sequence[StoredEvent]) -> int:
        """Store events; see :meth:`genrec.serving.histories.base.HistoryStore.append`."""
        with self._reach(), self._lock, self._connection:
            before = self._connection.total_changes
            self._connection.executemany(
                f"INSERT INTO feedback ({_COLUMNS}) VALUES ({_PLACES}) ON CONFLICT (event_id) DO NOTHING",
                [astuple(event) for event in events],
            )
            return self._connection.total_changes - before

    def history(self, user_id: str) -> list[StoredEvent]:
        """Return a user's latest events, oldest first."""
        query = f"SELECT {_COLUMNS} FROM feedback WHERE user_id = ? ORDER BY timestamp DESC, number DESC LIMIT ?"
        return [StoredEvent(*row) for row in reversed(self._all(query, user_id, MOST_STORED))]

    def users(self, text: str, most: int) -> list[str]:
        """Return users whose id holds a text, sorted."""
        query = (
            "SELECT DISTINCT user_id FROM feedback WHERE instr(lower(user_id), lower(?)) ORDER BY user_id LIMIT ?"
        )
        return [user for (user,) in self._all(query, text, most)]

    def log(self) -> Iterator[StoredEvent]:
        """Yield all events in the order of their arrival."""
        # A connection of its own, so that nobody waits for a long reading.
        with self._reach(), closing(sqlite3.connect(self._file)) as reader:
            for row in reader.execute(f"SELECT {_COLUMNS} FROM feedback ORDER BY number"):
                yield StoredEvent(*row)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _all(self, query: str, *values: str | int) -> list[tuple]:
        with self._reach(), self._lock:
            return self._connection.execute(query, values).fetchall()
