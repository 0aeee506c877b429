"""The queue: what is batched, what is refused, what waits too long, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from genrec.serving.batching import Batcher, DeadlineError, QueueFullError, StoppedError

LATER = 1e9


class Gate:
    """Work that waits until it is let through, and remembers its batches."""

    def __init__(self) -> None:
        self.open, self.begun = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(list(batch))
        self.begun.set()
        assert self.open.wait(10)
        return [-one for one in batch]


def test_what_waits_behind_a_search_goes_together_and_in_order() -> None:
    gate = Gate()
    batcher: Batcher[int, int] = Batcher(gate, size=3, room=10)
    futures = batcher.submit([1], LATER)
    assert gate.begun.wait(10)
    for number in range(2, 7):
        futures += batcher.submit([number], LATER)
    assert len(batcher) == 5
    gate.open.set()
    assert [future.result(10) for future in futures] == [-1, -2, -3, -4, -5, -6]
    assert gate.batches == [[1], [2, 3, 4], [5, 6]]
    batcher.stop()


def test_a_full_queue_takes_all_of_a_request_or_nothing() -> None:
    gate = Gate()
    batcher: Batcher[int, int] = Batcher(gate, size=1, room=2)
    first = batcher.submit([0], LATER)
    assert gate.begun.wait(10)
    waiting = batcher.submit([1], LATER)
    with pytest.raises(QueueFullError):
        batcher.submit([2, 3], LATER)
    waiting += batcher.submit([4], LATER)
    gate.open.set()
    assert [future.result(10) for future in first + waiting] == [0, -1, -4]
    batcher.stop()


def test_what_was_given_up_takes_no_room() -> None:
    gate = Gate()
    batcher: Batcher[int, int] = Batcher(gate, size=1, room=1)
    batcher.submit([0], LATER)
    assert gate.begun.wait(10)
    (given_up,) = batcher.submit([1], LATER)
    given_up.cancel()
    (last,) = batcher.submit([2], LATER)
    gate.open.set()
    assert last.result(10) == -2
    assert gate.batches == [[0], [2]]
    batcher.stop()


def test_what_has_waited_too_long_or_was_given_up_is_not_begun() -> None:
    gate = Gate()
    batcher: Batcher[int, int] = Batcher(gate, size=1, room=9)
    batcher.submit([0], LATER)
    assert gate.begun.wait(10)
    (late,) = batcher.submit([1], time.monotonic())
    (given_up,) = batcher.submit([2], LATER)
    (last,) = batcher.submit([3], LATER)
    assert given_up.cancel()
    gate.open.set()
    assert last.result(10) == -3
    assert isinstance(late.exception(10), DeadlineError)
    assert gate.batches == [[0], [3]]
    batcher.stop()


def test_stopping_finishes_what_waits_and_takes_no_more() -> None:
    gate = Gate()
    batcher: Batcher[int, int] = Batcher(gate, size=2, room=9)
    futures = batcher.submit([1, 2, 3], LATER)
    assert batcher.alive
    stopping = threading.Thread(target=batcher.stop)
    stopping.start()
    gate.open.set()
    stopping.join(10)
    assert [future.result(0) for future in futures] == [-1, -2, -3]
    assert not batcher.alive
    with pytest.raises(StoppedError):
        batcher.submit([4], LATER)


def test_an_idle_search_waits_for_company_as_long_as_it_is_told() -> None:
    gate = Gate()
    gate.open.set()
    batcher: Batcher[int, int] = Batcher(gate, size=2, room=9, wait=5)
    futures = batcher.submit([1], LATER) + batcher.submit([2], LATER)
    started = time.monotonic()
    assert [future.result(10) for future in futures] == [-1, -2]
    assert time.monotonic() - started < 3, "a full batch must not wait"
    assert gate.batches == [[1, 2]]
    batcher.stop()


def test_a_failure_is_told_to_whom_it_concerns_and_the_thread_lives_on() -> None:
    def work(batch: Sequence[int]) -> list[int | Exception]:
        if 0 in batch:
            raise RuntimeError("all of it")
        return [KeyError(one) if one < 0 else one for one in batch]

    batcher: Batcher[int, int] = Batcher(work, size=9, room=9)
    assert isinstance(batcher.submit([0], LATER)[0].exception(10), RuntimeError)
    bad, good = batcher.submit([-1, 5], LATER)
    assert isinstance(bad.exception(10), KeyError)
    assert good.result(10) == 5
    batcher.stop()
