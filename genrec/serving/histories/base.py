"""What a store of feedback does; SQLite's is the default, others follow by URL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

MOST_STORED = 10_000  # of one user's latest events that are read


@dataclass(frozen=True)
class StoredEvent:
    """One event of the log.

    Args:
        user_id, item_id: as they came.
        timestamp: milliseconds since 1970.
        behavior, value, domain, request_id, position: as in a dataset's interactions; None where not known.
        event_id: given by the sender; an event of the same id is stored once.
    """

    user_id: str
    item_id: str
    timestamp: int
    behavior: str | None = None
    value: float | None = None
    domain: str | None = None
    request_id: str | None = None
    position: int | None = None
    event_id: str | None = None


class HistoryStore(Protocol):
    """A log of feedback that users' histories are read from. Safe to be called from several threads at once."""

    def append(self, events: Sequence[StoredEvent]) -> int:
        """Store events, all or none; once this returns, they survive the end of the process and of the machine.

        Returns:
            How many were new; those whose ``event_id`` is there already are not stored again.
        """

    def history(self, user_id: str) -> list[StoredEvent]:
        """Return a user's latest events, at most :data:`MOST_STORED`, oldest first, by time and then by arrival."""

    def users(self, text: str, most: int) -> list[str]:
        """Return at most ``most`` users whose id holds ``text`` without regard to case, sorted."""

    def log(self) -> Iterator[StoredEvent]:
        """Yield all events in the order of their arrival."""

    def close(self) -> None:
        """Let go of files and connections."""
