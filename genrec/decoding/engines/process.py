"""An engine in a process of its own, so that a search and the rest of a service do not wait for each other.

Python runs one thread of a process at a time, and a small model's search is mostly Python: hundreds of short
operations, between which an HTTP server's thread wants its turn. Apart, each has a core.

What goes to and fro is made by these two processes: arrays, numbers, errors. Nothing comes from elsewhere.
"""

from __future__ import annotations

import atexit
import itertools
import multiprocessing
import os
import signal
import threading
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from genrec.decoding.engines.base import Search
from genrec.decoding.prefix_cache import CacheFigures
from genrec.decoding.ranking import Ranking, Sessions
from genrec.decoding.trie import Trie
from genrec.errors import GenrecError
from genrec.memory import keep_freed_memory, spare_the_collector
from genrec.models.histories import HistoryBatch

if TYPE_CHECKING:
    from genrec.decoding.prompts import Prompts

_LOST = (EOFError, BrokenPipeError, ConnectionResetError)
Built = tuple[Trie, list[int]]  # what a search is made of
Array = npt.NDArray[np.generic]
Packed = dict[str, Array] | tuple[Array, Array] | list[list[int]]


class EngineLostError(GenrecError):
    """The process of an engine ended, and so did the one that was started in its place."""


class ProcessEngine:
    """Runs another engine in a process of its own; if that process ends, another is started in its place.

    A script that makes one needs the usual guard, ``if __name__ == "__main__":``, since the new process imports it.

    Args:
        name: the engine.
        folder: the generator's.
        leaves_a_core: whether torch has one thread fewer there; for those who work while they wait for answers.
        options: as for :func:`~genrec.decoding.engines.opening.open_engine`.

    Raises:
        GenrecError: as :func:`~genrec.decoding.engines.opening.open_engine` does.
    """

    def __init__(self, name: str, folder: Path, leaves_a_core: bool = False, **options: Any) -> None:
        self._what = (name, folder, leaves_a_core, options)
        self._searches: dict[int, Built] = {}
        self._numbers = itertools.count()
        self._unused: list[int] = []  # searches that nobody holds any more; told at the next question
        self._lock = threading.Lock()
        self._start()
        atexit.register(self.close)

    def search(self, trie: Trie, level_offsets: Sequence[int] | npt.NDArray) -> ProcessSearch:
        """Return the search of a catalogue; see :class:`~genrec.decoding.engines.Engine`."""
        number, built = next(self._numbers), (trie, [int(offset) for offset in level_offsets])
        self.ask("build", number, *built)
        self._searches[number] = built
        found = ProcessSearch(self, number)
        weakref.finalize(found, self._unused.append, number)
        return found

    def ask(self, what: str, *arguments: Any) -> Any:
        """Return what the process answers to one question.

        Raises:
            EngineLostError: if it cannot be had.
        """
        with self._lock:
            try:
                self._forget_unused()
                return self._asked(what, *arguments)
            except _LOST:
                self._start()
            try:
                return self._asked(what, *arguments)
            except _LOST as error:
                raise EngineLostError(
                    "The process that searches ended twice over the same request.",
                    "Look at its messages and at the machine's memory.",
                ) from error

    def cache_figures(self) -> CacheFigures:
        """Return how the cache of earlier prompts fares; a process that is started again begins anew."""
        found: CacheFigures = self.ask("cache")
        return found

    def _forget_unused(self) -> None:
        while self._unused:
            number = self._unused.pop()
            self._searches.pop(number, None)
            self._asked("drop", number)

    def close(self) -> None:
        """End the process, once it has answered."""
        atexit.unregister(self.close)
        with self._lock:
            self._pipe.close()
            self._process.join(timeout=10)
            self._process.kill()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, *self._what), name="genrec-engine", daemon=True)
        self._process.start()
        theirs.close()
        try:
            self._answer()
            for number, built in self._searches.items():
                self._asked("build", number, *built)
        except _LOST as error:
            raise EngineLostError(
                "The process that searches ended at its start.", "Look at its messages and at the machine's memory."
            ) from error

    def _asked(self, *question: Any) -> Any:
        try:
            self._pipe.send(question)
            return self._answer()
        except KeyboardInterrupt:
            self._process.kill()  # its late answer would be taken for that to the next question
            raise

    def _answer(self) -> Any:
        answer, error = self._pipe.recv()
        if error is not None:
            raise error
        return answer


class ProcessSearch:
    """A search that is done in an engine's process; see :class:`~genrec.decoding.engines.Search`.

    Args:
        engine: whose process.
        number: of the search there.
    """

    def __init__(self, engine: ProcessEngine, number: int) -> None:
        self._engine, self._number = engine, number

    def __call__(
        self,
        prompts: Prompts | HistoryBatch,
        beams: int = 20,
        exclude: Sequence[npt.ArrayLike] | None = None,
        k: int | None = None,
    ) -> Ranking:
        """Return the k best items of each prompt."""
        ranking: Ranking = self._engine.ask("items", self._number, packed(prompts), beams, exclude, k)
        return ranking

    def sessions(
        self,
        prompts: Prompts | HistoryBatch,
        length: int,
        beams: int = 20,
        k: int = 1,
        exclude: Sequence[npt.ArrayLike] | None = None,
        distinct: bool = True,
    ) -> Sessions:
        """Return the k best sessions of each prompt."""
        asked = packed(prompts), length, beams, k, exclude, distinct
        found: Sessions = self._engine.ask("sessions", self._number, *asked)
        return found


def packed(prompts: Prompts | HistoryBatch) -> Packed:
    """Return prompts without tensors, which would go from process to process through a file for each."""
    if isinstance(prompts, HistoryBatch):
        return {name: tensor.numpy() for name, tensor in vars(prompts).items()}
    if isinstance(prompts, tuple):
        return prompts[0].numpy(), prompts[1].numpy()
    return [list(prompt) for prompt in prompts]


def unpacked(prompts: Packed) -> Prompts | HistoryBatch:
    """Return what was packed."""
    if isinstance(prompts, dict):
        return HistoryBatch(**{name: torch.from_numpy(array) for name, array in prompts.items()})
    if isinstance(prompts, tuple):
        return torch.from_numpy(prompts[0]), torch.from_numpy(prompts[1])
    return prompts


def work(pipe: Connection, name: str, folder: Path, leaves_a_core: bool, options: dict[str, Any]) -> None:
    """Open an engine and answer questions about it until nobody asks any more."""
    from genrec.decoding.engines.opening import open_engine

    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # they come to a whole group, and what was asked is still answered
        signal.signal(number, signal.SIG_IGN)
    keep_freed_memory()
    if leaves_a_core:
        leave_a_core()
    searches: dict[int, Search] = {}
    try:
        _, engine = open_engine(name, folder, **options)
    except Exception as error:
        reply(pipe, None, error)
        return
    spare_the_collector()
    reply(pipe, None, None)

    def build(number: int, trie: Trie, offsets: list[int]) -> None:
        searches[number] = engine.search(trie, offsets)

    does: dict[str, Callable[..., object]] = {
        "build": build,
        "cache": engine.cache_figures,
        "drop": lambda number: searches.pop(number, None) and None,
        "items": lambda number, prompts, *asked: searches[number](unpacked(prompts), *asked),
        "sessions": lambda number, prompts, *asked: searches[number].sessions(unpacked(prompts), *asked),
    }
    while True:
        try:
            what, *arguments = pipe.recv()
        except EOFError:
            os._exit(0)  # at once: there is nothing to tidy up
        try:
            answer = does[what](*arguments)
        except Exception as error:
            reply(pipe, None, error)
        else:
            reply(pipe, answer, None)


def leave_a_core() -> None:
    """Let torch compute with one thread fewer than it would: whoever asks this process needs a core meanwhile.

    Threads of one product wait for each other, so one that has to share its core halts them all. OMP_NUM_THREADS
    says otherwise.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() - 1))


def reply(pipe: Connection, answer: object, error: Exception | None) -> None:
    """Send an answer or an error; of an error that cannot be sent, what it says."""
    try:
        pipe.send((answer, error))
    except (TypeError, AttributeError, ValueError):
        pipe.send((None, RuntimeError(repr(error))))
