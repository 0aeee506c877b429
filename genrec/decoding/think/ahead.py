"""The online half of Think-Ahead serving: a small model searches below the prefixes prepared for a user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from genrec.decoding.ranking import Ranking
from genrec.decoding.requests import History, readable
from genrec.decoding.restriction import Prefixes
from genrec.decoding.think.prepared import PreparedPrefixes
from genrec.decoding.think.recommender import search_of
from genrec.models.generator import Generator

DEFAULT_BEAMS = 50


class Ahead(NamedTuple):
    """Ranked items of a batch of requests, and how many of each come from prepared prefixes.

    Args:
        ranking: items [requests, k]; those below prepared prefixes first, then what filled up the list.
        prepared: int64 [requests], how many of them lie below prepared prefixes.
    """

    ranking: Ranking
    prepared: npt.NDArray[np.int64]


class ThinkAheadRecommender:
    """Recommends, of the items below a user's prepared prefixes, the likeliest under a small model.

    That is argmax of P_online(item | history) over those items (OneRec-Think, 2510.11639). The fall-back: whoever
    nothing was prepared for, or has fewer than k items left below the prefixes, gets the rest of the list from the
    search of the whole catalogue. Scores may rise where that begins.

    Args:
        generator: the online model, of any kind, over the IDs that the prefixes are of.
        prepared: the prefixes of the users.
        batch_size: requests searched at once.

    Raises:
        ArtifactError: if the prefixes are of other codebooks.
    """

    def __init__(self, generator: Generator, prepared: PreparedPrefixes, batch_size: int = 64) -> None:
        prepared.check(generator.catalogue)
        self.generator, self.prepared, self.batch_size = generator, prepared, batch_size
        self._search = search_of(generator)

    def recommend(
        self,
        user_ids: Sequence[str],
        histories: Sequence[History],
        k: int = 10,
        beams: int | None = None,
        exclude: Sequence[npt.NDArray[np.integer]] | None = None,
    ) -> Ahead:
        """Return the k best items of each user.

        Args:
            user_ids: who asks; unknown ones are users that nothing was prepared for.
            histories: what each of them did until now, oldest first, also since the prefixes were prepared.
            k: items wanted for each.
            beams: width of the search; at least k, and ``DEFAULT_BEAMS`` unless told. The search is never wider
                than the prefixes are many.
            exclude: items that must not be recommended, for each user.
        """
        if len(user_ids) != len(histories):
            raise ValueError(f"{len(user_ids)} users need as many histories, not {len(histories)}")
        within, width = [self.prepared.of(user) for user in user_ids], max(k, beams or DEFAULT_BEAMS)
        items = np.full((len(within), k), -1, dtype=np.int64)
        scores = np.full(items.shape, -np.inf, dtype=np.float32)
        known = np.array([prefixes is not None for prefixes in within], dtype=bool)
        self._put(items, scores, np.flatnonzero(known), histories, within, width, exclude)
        prepared = (items >= 0).sum(axis=1)
        self._put(items, scores, np.flatnonzero(prepared < k), histories, None, width, exclude)
        return Ahead(Ranking(items, scores), prepared)

    def _put(
        self,
        items: npt.NDArray[np.int64],
        scores: npt.NDArray[np.float32],
        rows: npt.NDArray[np.int64],
        histories: Sequence[History],
        within: Sequence[Prefixes | None] | None,
        beams: int,
        exclude: Sequence[npt.NDArray[np.integer]] | None,
    ) -> None:
        """Fill the free places of some rows from a search, in place."""
        for chosen in np.split(rows, range(self.batch_size, len(rows), self.batch_size)):
            if not len(chosen):
                continue
            found = self._search(
                self.generator.prompts(readable(self.generator, [histories[row] for row in chosen])),
                beams=beams,
                exclude=None if exclude is None else [exclude[row] for row in chosen],
                within=None if within is None else [within[row] for row in chosen],
            )
            for row, new, score in zip(chosen, found.items, found.scores, strict=True):
                fresh = np.flatnonzero((new >= 0) & ~np.isin(new, items[row]))
                free = np.flatnonzero(items[row] < 0)[: len(fresh)]
                items[row, free], scores[row, free] = new[fresh[: len(free)]], score[fresh[: len(free)]]
