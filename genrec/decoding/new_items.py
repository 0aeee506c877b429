"""Places in a list for items that the generator was never trained on.

A generator has never seen the end of a new item's ID follow its beginning, so it gives the whole ID next to no
probability, and the item does not come up among those that it knows. Among each other, new items can be compared,
since their first codes mean what everybody's mean. So they get a search of their own and a number of places.
What such rankings are worth is measured in docs/catalogue.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec.decoding.engines.base import Engine
from genrec.decoding.prompts import Prompts
from genrec.decoding.ranking import Ranking
from genrec.decoding.trie import Trie
from genrec.models.generator import Generator
from genrec.models.histories import HistoryBatch
from genrec.semantic_ids import Catalogue


class NewItemSearch:
    """Finds the best among some of a catalogue's items.

    Args:
        generator: the model with the catalogue in use.
        rows: int64 [new items], ``item_index`` in that catalogue, ascending.
        engine: what runs the model.
    """

    def __init__(self, generator: Generator, rows: npt.NDArray[np.int64], engine: Engine) -> None:
        catalogue = generator.catalogue
        trie = Trie.build(catalogue.codes[rows], catalogue.codebook_sizes)
        self._rows = rows
        self._search = engine.search(trie, generator.vocabulary.offsets)

    def __call__(
        self,
        prompts: Prompts | HistoryBatch,
        k: int,
        beams: int,
        exclude: Sequence[npt.NDArray[np.integer]] | None,
    ) -> Ranking:
        """Return the k best new items of each prompt by ``item_index``."""
        own = [np.flatnonzero(np.isin(self._rows, items)) for items in exclude] if exclude is not None else None
        found = self._search(prompts, beams=beams, exclude=own, k=k)
        return Ranking(np.where(found.items >= 0, self._rows[found.items], -1), found.scores)


def rows_of_new(catalogue: Catalogue, trained: Catalogue) -> npt.NDArray[np.int64]:
    """Return the ``item_index`` in ``catalogue`` of the items that ``trained`` does not have, int64 [new items]."""
    if catalogue is trained:
        return np.zeros(0, dtype=np.int64)
    known = trained.index_of
    new = (row for row, item in enumerate(catalogue.item_ids) if item not in known)
    return np.fromiter(new, dtype=np.int64)


def keep_places(ranking: Ranking, new: Ranking, places: int) -> Ranking:
    """Return ``ranking`` with its last ``places`` places given to the best of ``new`` that are not before them.

    Where there are fewer new ones, what stood next in ``ranking`` closes the gap. The scores stay those of the
    items, so they may rise where the new ones begin.
    """
    items, scores = ranking.items.copy(), ranking.scores.copy()
    k = items.shape[1]
    for row in range(len(items)):
        kept = ranking.items[row, : k - places]
        fresh = np.flatnonzero((new.items[row] >= 0) & ~np.isin(new.items[row], kept))[:places]
        later = np.flatnonzero(~np.isin(ranking.items[row, k - places :], new.items[row, fresh])) + k - places
        order = [*range(k - places), *later[: places - len(fresh)]]
        items[row] = np.concatenate([ranking.items[row, order], new.items[row, fresh]])
        scores[row] = np.concatenate([ranking.scores[row, order], new.scores[row, fresh]])
    filled_first = np.argsort(items < 0, axis=1, kind="stable")
    return Ranking(np.take_along_axis(items, filled_first, 1), np.take_along_axis(scores, filled_first, 1))
