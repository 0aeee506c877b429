"""What a store of feedback does, whether it is SQLite's, PostgreSQL's or Redis'."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from genrec.errors import GenrecError

MOST_STORED = 10_000  # of one user's latest events that are read


class StoreDownError(GenrecError):
    """The store does not answer or cannot write; what it was given is not acknowledged, and may be sent again."""


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
    """A log of feedback that users' histories are read from. Safe to be called from several threads at once.

    Every method but :meth:`close` raises :class:`StoreDownError` while the store cannot do it, and works again once
    the store can.
    """

    def append(self, events: Sequence[StoredEvent]) -> int:
        """Store events, all or none; once this returns, they survive the end of the process and of the machine.

        Returns:
            How many were new; those whose ``event_id`` is there already are not stored again.
        """

    def history(self, user_id: str) -> list[StoredEvent]:
        """Return a user's latest events, at most :data:`MOST_STORED`, oldest first, by time and then by arrival."""

    def at_once(self, user_id: str) -> list[StoredEvent] | None:
        """Return what :meth:`history` does if that takes no waiting worth a thread; None if it may."""

    def users(self, text: str, most: int) -> list[str]:
        """Return at most ``most`` users whose id holds ``text``, the case of ASCII letters aside, by code point."""

    def log(self) -> Iterator[StoredEvent]:
        """Yield all events in the order of their arrival."""

    def close(self) -> None:
        """Let go of files and connections."""
