"""Ranked items and sessions for histories, from a generator and the engine that runs it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from genrec.decoding.engines.base import Engine, Search
from genrec.decoding.engines.opening import TreeEngine, open_engine
from genrec.decoding.new_items import NewItemSearch, keep_places, rows_of_new
from genrec.decoding.prompts import Prompts
from genrec.decoding.ranking import Ranking, Sessions
from genrec.decoding.requests import History, readable
from genrec.decoding.trie import Trie
from genrec.errors import ArtifactError
from genrec.models.generator import Generator
from genrec.models.histories import HistoryBatch
from genrec.semantic_ids import Catalogue

DEFAULT_BEAMS = 50
R = TypeVar("R")


class _Serving(NamedTuple):
    """What belongs to one version of the catalogue: held by one reference, so that no request mixes two."""

    generator: Generator
    search: Search
    new: NewItemSearch | None


class Recommender:
    """Recommends items by a beam search over the catalogue's semantic IDs.

    :meth:`use` changes the catalogue while other threads recommend. Item indices mean something in one catalogue
    only, so whoever serves while that may happen holds on to one for the length of a request:

        >>> pinned = recommender.pinned()  # doctest: +SKIP
        >>> ranking = pinned.recommend([pinned.catalogue.indices(["50", "181"])])  # doctest: +SKIP
        >>> names = [pinned.catalogue.item_ids[item] for item in ranking.items[0]]  # doctest: +SKIP

    Args:
        generator: the model and its catalogue.
        batch_size: requests searched at once.
        engine: what runs the generator's model; the tree search unless told.
    """

    def __init__(self, generator: Generator, batch_size: int = 64, engine: Engine | None = None) -> None:
        self.batch_size = batch_size
        self.engine = engine or TreeEngine(generator.model)
        self._trained = generator.catalogue
        self._serving = self._prepare(generator)

    @classmethod
    def from_pretrained(
        cls, source: str | Path, batch_size: int = 64, engine: str = "tree", **options: Any
    ) -> Recommender:
        """Load a saved generator.

        Args:
            source: its folder, or its id on the Hugging Face hub.
            batch_size: requests searched at once.
            engine: one of ``genrec.decoding.ENGINES``.
            options: as for :meth:`genrec.models.Generator.from_pretrained`.

        Raises:
            UnknownNameError: if there is no such engine.
            MissingPackageError: if the engine's package is not installed.
            ArtifactError: if the generator cannot be loaded, or not be run by this engine.
        """
        generator, runs = open_engine(engine, source, **options)
        return cls(generator, batch_size, runs)

    @property
    def generator(self) -> Generator:
        """The model with the catalogue in use."""
        return self._serving.generator

    @property
    def catalogue(self) -> Catalogue:
        """The items it can recommend."""
        return self.generator.catalogue

    def use(self, catalogue: Catalogue) -> None:
        """Take another version of the catalogue, from the next request on; those under way finish with the old one.

        Args:
            catalogue: such as :meth:`genrec.semantic_ids.CatalogueStore.snapshot` returns; its codes must mean what
                the generator's mean, which a history that began with the IDs it was trained on ensures.

        Raises:
            ArtifactError: if its codebook sizes are not those the generator was trained with.
            DataError: if two items share an ID.
        """
        if catalogue.codebook_sizes != self._trained.codebook_sizes:
            raise ArtifactError(
                f"The catalogue has codebooks of {_sizes(catalogue)} codes, but the generator was trained with "
                f"{_sizes(self._trained)}.",
                "Use versions of the catalogue it was trained on, or train it again: genrec train",
            )
        # Building takes a while, and the old version serves meanwhile.
        self._serving = self._prepare(replace(self.generator, catalogue=catalogue))

    def pinned(self) -> Recommender:
        """Return a recommender that shares this one's model and stays with the catalogue in use now."""
        return copy.copy(self)

    def recommend(
        self,
        histories: Sequence[History],
        k: int = 10,
        beams: int | None = None,
        exclude: Sequence[npt.NDArray[np.integer]] | None = None,
        new_places: int = 0,
    ) -> Ranking:
        """Return the k best items for each history.

        Args:
            histories: item indices or :class:`~genrec.models.Events`, oldest first. What is longer than the
                generator reads is cut at the old end. An empty one gets the cold-start answer: what the generator
                expects a history to begin with.
            k: items wanted for each.
            beams: width of the search; at least k, and ``DEFAULT_BEAMS`` unless told.
            exclude: items that must not be recommended, for each history; left out inside the search.
            new_places: how many of the k places go to the best of the items that came after the training, which
                hardly come up otherwise; see :mod:`genrec.decoding.new_items`.

        Raises:
            ValueError: if ``new_places`` is not between 0 and k, or an item index is not in the catalogue.
        """
        serving = self._serving
        events = readable(serving.generator, histories)
        return self._ranked(serving, events, serving.generator.prompts, k, beams, exclude, new_places)

    def recommend_prompts(
        self,
        prompts: Sequence[Sequence[int]],
        k: int = 10,
        beams: int | None = None,
        exclude: Sequence[npt.NDArray[np.integer]] | None = None,
        new_places: int = 0,
    ) -> Ranking:
        """Return the k best items after prompts that are already written.

        Args:
            prompts: token ids that the generator's model reads, such as
                :func:`genrec.models.language.title_prompt` writes of a history given as titles.
            k, beams, exclude, new_places: as for :meth:`recommend`.

        Raises:
            ValueError: if ``new_places`` is not between 0 and k, a prompt is empty or too long, or the generator
                reads no tokens.
        """
        return self._ranked(self._serving, prompts, lambda batch: batch, k, beams, exclude, new_places)

    def sessions(
        self,
        histories: Sequence[History],
        length: int,
        k: int = 1,
        beams: int | None = None,
        exclude: Sequence[npt.NDArray[np.integer]] | None = None,
        distinct: bool = True,
    ) -> Sessions:
        """Return the k best sessions for each history: items to be shown together, none of them twice.

        Args:
            histories: as for :meth:`recommend`.
            length: items of a session; it ends earlier only where the catalogue has no more.
            k: sessions wanted for each.
            beams: width of the search; at least k, and ``DEFAULT_BEAMS`` unless told.
            exclude: items that must not be recommended, for each history.
            distinct: of sessions that hold the same items in another order, return the best alone.

        Raises:
            ArtifactError: if the generator does not write sessions of this length.
            ValueError: if an item index is not in the catalogue.
        """
        width, serving = max(k, beams or DEFAULT_BEAMS), self._serving
        events = readable(serving.generator, histories, length)
        parts = [Sessions.none(0, k, length)]
        for rows in self._rows(histories):
            prompts = serving.generator.prompts(events[rows])
            left_out = exclude[rows] if exclude else None
            parts.append(serving.search.sessions(prompts, length, width, k, left_out, distinct))
        items, scores, item_scores = (np.concatenate(same) for same in zip(*parts, strict=True))
        return Sessions(items, scores, item_scores)

    def _ranked(
        self,
        serving: _Serving,
        requests: Sequence[R],
        ask: Callable[[Sequence[R]], Prompts | HistoryBatch],
        k: int,
        beams: int | None,
        exclude: Sequence[npt.NDArray[np.integer]] | None,
        new_places: int,
    ) -> Ranking:
        if not 0 <= new_places <= k:
            raise ValueError(f"new_places must be between 0 and k = {k}; it is {new_places}")
        width = max(k, beams or DEFAULT_BEAMS)
        parts = [Ranking(np.zeros((0, k), np.int64), np.zeros((0, k), np.float32))]
        for rows in self._rows(requests):
            left_out = exclude[rows] if exclude else None
            parts.append(_batch(serving, ask(requests[rows]), k, width, left_out, new_places))
        items, scores = (np.concatenate(same) for same in zip(*parts, strict=True))
        return Ranking(items, scores)

    def _rows(self, requests: Sequence[object]) -> Iterable[slice]:
        return [slice(at, at + self.batch_size) for at in range(0, len(requests), self.batch_size)]

    def _prepare(self, generator: Generator) -> _Serving:
        catalogue = generator.catalogue
        trie = Trie.build(catalogue.codes, catalogue.codebook_sizes)
        search = self.engine.search(trie, generator.vocabulary.offsets)
        new = rows_of_new(catalogue, self._trained)
        return _Serving(generator, search, NewItemSearch(generator, new, self.engine) if len(new) else None)


def _batch(
    serving: _Serving,
    prompts: Prompts | HistoryBatch,
    k: int,
    beams: int,
    exclude: Sequence[npt.NDArray[np.integer]] | None,
    new_places: int,
) -> Ranking:
    ranking = serving.search(prompts, beams=beams, exclude=exclude, k=k)
    if not new_places or serving.new is None:
        return ranking
    return keep_places(ranking, serving.new(prompts, k, beams, exclude), new_places)


def _sizes(catalogue: Catalogue) -> str:
    return " × ".join(map(str, catalogue.codebook_sizes))
