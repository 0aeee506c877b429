"""Ranked items for histories, from a generator and the tree search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genrec.decoding.ranking import Ranking
from genrec.decoding.tree_beam import TreeBeamSearch
from genrec.decoding.trie import Trie
from genrec.models.generator import Generator
from genrec.semantic_ids import Catalogue

DEFAULT_BEAMS = 50


class Recommender:
    """Recommends items by a beam search over the catalogue's semantic IDs.

    Args:
        generator: the model and its catalogue.
        batch_size: requests searched at once.
    """

    def __init__(self, generator: Generator, batch_size: int = 64) -> None:
        self.generator = generator
        self.batch_size = batch_size
        catalogue = generator.catalogue
        trie = Trie.build(catalogue.codes, catalogue.codebook_sizes)
        self._search = TreeBeamSearch(generator.model, trie, catalogue.vocabulary.offsets)

    @classmethod
    def from_pretrained(cls, source: str | Path, batch_size: int = 64, **options: Any) -> Recommender:
        """Load a saved generator; see :meth:`genrec.models.Generator.from_pretrained` for the options."""
        return cls(Generator.from_pretrained(source, **options), batch_size)

    @property
    def catalogue(self) -> Catalogue:
        """The items it can recommend."""
        return self.generator.catalogue

    def recommend(
        self,
        histories: Sequence[npt.NDArray[np.integer]],
        k: int = 10,
        beams: int | None = None,
        exclude: Sequence[npt.NDArray[np.integer]] | None = None,
    ) -> Ranking:
        """Return the k best items for each history.

        Args:
            histories: item indices, oldest first; may be empty.
            k: items wanted for each.
            beams: width of the search; at least k, and ``DEFAULT_BEAMS`` unless told.
            exclude: items that must not be recommended, for each history; left out inside the search.
        """
        width = max(k, beams or DEFAULT_BEAMS)
        parts = [
            self._batch(histories[rows], k, width, exclude[rows] if exclude else None)
            for rows in self._rows(histories)
        ]
        if not parts:
            return Ranking(np.zeros((0, k), np.int64), np.zeros((0, k), np.float32))
        return Ranking(
            np.concatenate([part.items for part in parts]), np.concatenate([part.scores for part in parts])
        )

    def _rows(self, histories: Sequence[npt.NDArray[np.integer]]) -> Iterable[slice]:
        return [slice(at, at + self.batch_size) for at in range(0, len(histories), self.batch_size)]

    def _batch(
        self,
        histories: Sequence[npt.NDArray[np.integer]],
        k: int,
        beams: int,
        exclude: Sequence[npt.NDArray[np.integer]] | None,
    ) -> Ranking:
        prompts = [self.generator.prompt(history) for history in histories]
        return self._search(prompts, beams=beams, exclude=exclude, k=k)
