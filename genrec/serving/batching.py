"""A bounded queue and the one thread that works it off in batches.

While the thread is busy, requests gather; then it takes as many as it may at once. So batches are as large as the
load is, and an idle service waits for nobody.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class QueueFullError(Exception):
    """There is no room for another request."""


class StoppedError(Exception):
    """The service is shutting down and takes no more requests."""


class DeadlineError(Exception):
    """A request waited until its deadline had passed."""


class _Waiting(NamedTuple):
    work: object
    future: Future
    deadline: float


class Batcher(Generic[T, R]):
    """Calls ``work`` with what was submitted, from one thread, several at a time, in the order of arrival.

    Args:
        work: returns for each request its result, or the exception that it came to.
        size: requests of a batch at most.
        room: requests that may wait.
        wait: seconds an idle thread waits for company after the first request.
    """

    def __init__(
        self, work: Callable[[Sequence[T]], Sequence[R | Exception]], size: int, room: int, wait: float = 0.0
    ) -> None:
        self._work, self._size, self._room, self._wait = work, size, room, wait
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="genrec-search", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """How many requests wait."""
        return len(self._queue)

    @property
    def alive(self) -> bool:
        """Whether requests are still worked off."""
        return self._thread.is_alive() and not self._stopping

    def submit(self, requests: Sequence[T], deadline: float) -> list[Future[R]]:
        """Queue requests, all or none of them.

        Args:
            requests: what to work on.
            deadline: a time of :func:`time.monotonic`; what has not begun by then is not begun.

        Raises:
            QueueFullError: if there is no room for all of them.
            StoppedError: after :meth:`stop`.
        """
        waiting = [_Waiting(request, Future(), deadline) for request in requests]
        with self._changed:
            if self._stopping:
                raise StoppedError
            if len(self._queue) + len(waiting) > self._room:
                self._queue = deque(one for one in self._queue if not one.future.cancelled())
            if len(self._queue) + len(waiting) > self._room:
                raise QueueFullError
            self._queue.extend(waiting)
            self._changed.notify()
        return [one.future for one in waiting]

    def stop(self) -> None:
        """Take no more requests, finish those that wait, and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next():
            live = [one for one in batch if self._begin(one)]
            if live:
                self._finish(live)

    def _next(self) -> list[_Waiting]:
        """Return the next batch; an empty one when all is done."""
        with self._changed:
            while not self._queue and not self._stopping:
                self._changed.wait()
            if self._wait and len(self._queue) < self._size and not self._stopping:
                self._changed.wait_for(lambda: len(self._queue) >= self._size or self._stopping, self._wait)
            return [self._queue.popleft() for _ in range(min(self._size, len(self._queue)))]

    def _begin(self, one: _Waiting) -> bool:
        """Say whether a request is still worth working on: not cancelled, and its deadline not passed."""
        if not one.future.set_running_or_notify_cancel():
            return False
        if time.monotonic() < one.deadline:
            return True
        one.future.set_exception(DeadlineError())
        return False

    def _finish(self, batch: Sequence[_Waiting]) -> None:
        try:
            results = self._work([one.work for one in batch])  # type: ignore[misc]  # T, as submitted
        except Exception as error:
            results = [error] * len(batch)
        for one, result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                one.future.set_exception(result)
            else:
                one.future.set_result(result)
