"""What a model computed of earlier prompts, kept for those that begin in the same way.

A user's history grows by one item, and all that a causal model computed of the earlier positions stays as it was.
So it is kept (the idea of MARM, arXiv:2411.09425), up to a bound of bytes, and what was not used for longest goes
first. It is found by the prompt itself, and never by who asked: two prompts that begin alike have the same keys and
values up to there, whosesoever they are. A cache belongs to one model, and it knows nothing of the catalogue but
what the prompts say, so another version of the catalogue changes nothing in it.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

import torch

Prompt = tuple[Hashable, ...]
States = tuple[torch.Tensor, ...]


class Beginning(NamedTuple):
    """What is known of a prompt before it is read.

    Args:
        length: how many of its first positions; 0 where it has to be read as a whole.
        states: tensors [heads, positions, size], of at least so many positions.
    """

    length: int
    states: States


class CacheFigures(NamedTuple):
    """How a cache fares: prompts that it knew the greater part of, prompts that it did not, and what it holds."""

    hits: int = 0
    misses: int = 0
    prompts: int = 0
    bytes: int = 0


NOTHING = Beginning(0, ())


class PrefixCache:
    """Keeps what was computed of prompts.

    Args:
        most: bytes of keys and values at most.
    """

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0
        self._kept: OrderedDict[Prompt, States] = OrderedDict()  # what was used last stands at the end
        self._sorted: list[Prompt] = []  # the best match of a prompt stands beside its place in here
        self._hits = self._misses = 0
        self._lock = threading.Lock()

    @property
    def figures(self) -> CacheFigures:
        """How it fares."""
        with self._lock:
            return CacheFigures(self._hits, self._misses, len(self._kept), self._bytes)

    def find(self, prompt: Prompt) -> Beginning:
        """Return the longest known beginning of a prompt, without its last position, which is always read.

        One of less than half of the prompt counts for nothing: then the whole is read, in one go with others.
        """
        with self._lock:
            best, length = self._best(prompt)
            length = min(length, len(prompt) - 1)
            if 2 * length < len(prompt):
                self._misses += 1
                return NOTHING
            self._hits += 1
            self._kept.move_to_end(best)
            return Beginning(length, self._kept[best])

    def keep(self, prompt: Prompt, states: States) -> None:
        """Keep what was computed of a prompt, in place of what it is a continuation of.

        Args:
            prompt: positions, in whatever form they are compared.
            states: tensors [heads, positions, size]; nobody may change them.
        """
        size = _bytes(states)
        with self._lock:
            best, length = self._best(prompt)
            if size > self._most or length == len(prompt):  # too large, or known as part of something longer
                return
            if length and length == len(best):
                self._drop(best)
            self._kept[prompt] = states
            self._bytes += size
            insort(self._sorted, prompt)
            while self._bytes > self._most:
                self._drop(next(iter(self._kept)))

    def _best(self, prompt: Prompt) -> tuple[Prompt, int]:
        """Return what begins most like a prompt, and how many positions they share."""
        place = bisect_left(self._sorted, prompt)
        beside = self._sorted[max(0, place - 1) : place + 1]
        shared = [_shared(one, prompt) for one in beside]
        return max(zip(beside, shared, strict=True), key=lambda pair: pair[1], default=((), 0))

    def _drop(self, prompt: Prompt) -> None:
        self._bytes -= _bytes(self._kept.pop(prompt))
        del self._sorted[bisect_left(self._sorted, prompt)]


def _shared(left: Prompt, right: Prompt) -> int:
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def _bytes(states: States) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in states)
