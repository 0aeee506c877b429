"""Feedback in Redis: several processes, on one machine or many, share it; all of it is in the server's memory."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from genrec.console import remark
from genrec.errors import ArtifactError
from genrec.serving.histories.base import MOST_STORED, StoredEvent
from genrec.serving.histories.reach import ANSWER_S, Reach, place

_ANSWER_S = 10.0  # how long a single answer may take
_PAGE = 1000  # events, or users, that are fetched at once
_EVENTS, _COUNT, _USERS, _SENT = "genrec:events", "genrec:count", "genrec:users", "genrec:event_ids"
_REMEDY = "See that the server runs and that serve.histories has its address, user, password and database's number."
# Ranks have as many digits as a double holds, so that events of one time are sorted by their arrival.
_APPEND = """
local stored = 0
for at = 1, #ARGV, 4 do
    local user, timestamp, event_id, event = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    if event_id == '' or redis.call('SADD', KEYS[4], event_id) == 1 then
        local rank = string.format('%016d', redis.call('INCR', KEYS[2]))
        redis.call('HSET', KEYS[1], rank, event)
        redis.call('ZADD', 'genrec:user:' .. user, timestamp, rank)
        redis.call('SADD', KEYS[3], user)
        stored = stored + 1
    end
end
return stored
"""
_WANTED = {
    "appendonly": ("yes", "what is stored is lost when the server ends"),
    "appendfsync": ("always", "the last second is lost when its machine fails"),
    "maxmemory-policy": ("noeviction", "events go when memory runs short"),
}


class RedisHistories:
    """Keeps feedback in a database of a Redis server: one run's in each.

    The keys are ``genrec:events`` (a hash of all events by their rank of arrival), ``genrec:user:ID`` (a sorted set
    of ranks by time), ``genrec:users``, ``genrec:event_ids`` and ``genrec:count``. What :meth:`append` has returned
    from is on the server's disk if its append-only file is flushed at every write (``appendonly yes``,
    ``appendfsync always``); where the server is set otherwise, that is remarked.

    Args:
        url: ``redis://USER:PASSWORD@HOST:PORT/NUMBER``, or ``rediss://…`` for TLS.

    Raises:
        ArtifactError: if the server cannot be reached or used.
    """

    def __init__(self, url: str) -> None:
        self._place = place(url)
        try:
            self._client = redis.Redis.from_url(
                url,
                decode_responses=True,
                socket_connect_timeout=ANSWER_S,
                socket_timeout=_ANSWER_S,
                retry=Retry(NoBackoff(), 0),  # an event without event_id must not be stored twice
            )
            self._client.ping()
        except (redis.RedisError, ValueError, TypeError) as error:
            # The other two are about the URL and quote it, perhaps with the password.
            why = str(error) if isinstance(error, redis.RedisError) else "the URL cannot be read"
            raise ArtifactError(f"{self._place} cannot be used for users' histories: {why}", _REMEDY) from None
        self._append = self._client.register_script(_APPEND)
        self._reach = Reach(self._place, (redis.RedisError,), (redis.ConnectionError, redis.TimeoutError))
        _look(self._client, self._place)

    def append(self, events: Sequence[StoredEvent]) -> int:
        """Store events; see :meth:`genrec.serving.histories.base.HistoryStore.append`."""
        words: list[str | int] = []
        for event in events:
            event_id = "" if event.event_id is None else f"={event.event_id}"
            words += [event.user_id, event.timestamp, event_id, json.dumps(astuple(event))]
        with self._reach():
            return int(self._append([_EVENTS, _COUNT, _USERS, _SENT], words))

    def history(self, user_id: str) -> list[StoredEvent]:
        """Return a user's latest events, oldest first."""
        with self._reach():
            ranks = self._client.zrevrange(f"genrec:user:{user_id}", 0, MOST_STORED - 1)
            return self._events([str(rank) for rank in reversed(ranks)])

    def at_once(self, user_id: str) -> None:
        """Return None: the server may take its time."""

    def users(self, text: str, most: int) -> list[str]:
        """Return users whose id holds a text, sorted. All users are looked through."""
        wanted = _lower(text)
        with self._reach():
            users = set(self._client.sscan_iter(_USERS, count=_PAGE))  # which may name one twice
        return heapq.nsmallest(most, (user for user in users if wanted in _lower(user)))

    def log(self) -> Iterator[StoredEvent]:
        """Yield all events in the order of their arrival, as they were when the reading began."""
        with self._reach():
            count = int(self._client.get(_COUNT) or 0)
            for first in range(1, count + 1, _PAGE):
                yield from self._events([f"{rank:016}" for rank in range(first, min(first + _PAGE, count + 1))])

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _events(self, ranks: Sequence[str]) -> list[StoredEvent]:
        found = self._client.hmget(_EVENTS, ranks) if ranks else []
        return [StoredEvent(*json.loads(event)) for event in found if event is not None]


def _lower(text: str) -> bytes:
    """Return a text with its ASCII letters in lower case."""
    return text.encode().lower()


def _look(client: redis.Redis, place: str) -> None:
    """Say where the server keeps feedback less well than it could."""
    try:
        found = {name: client.config_get(name)[name] for name in _WANTED}
    except redis.ResponseError:  # rented servers hide their settings
        remark(f"{place} does not show its settings. Feedback is safe with {_all_wanted()}.")
        return
    for name, (wanted, otherwise) in _WANTED.items():
        if found[name] != wanted:
            remark(f"{place} has {name} {found[name]} and not {wanted}: {otherwise}.")


def _all_wanted() -> str:
    return ", ".join(f"{name} {wanted}" for name, (wanted, _) in _WANTED.items())
