"""A session on the device: which item next, what the user made of it, and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrec.errors import ConfigError, DataError, UnknownNameError
from genrec.reranking.marks import EARLIER, Float32, Past, mark, pending
from genrec.reranking.scorer import ListScorer, Worth
from genrec.reranking.search import Plan, plan


@dataclass(frozen=True)
class SearchSettings:
    """Of the adaptive beam search, as :func:`~genrec.reranking.search.plan` has them."""

    width: int = 4
    stability: float = 0.95
    depth: int | None = None

    def __post_init__(self) -> None:
        if self.width < 1 or (self.depth is not None and self.depth < 1):
            raise ConfigError(
                "Width and depth of the search are at least 1.", "Leave depth out to place every item."
            )


class LiveSession:
    """One user's session: ``offer`` a list, then ``next`` and ``on_feedback`` in turn.

    The order is planned again for every item, so that the latest answer counts. No item is shown twice.

    Args:
        scorer: the trained scorer.
        past: what the user was shown before this session; None for nothing.
        worth: what views and likes count.
        search: settings of the search.
    """

    def __init__(
        self,
        scorer: ListScorer,
        past: Past | None = None,
        worth: Worth | None = None,
        search: SearchSettings | None = None,
    ) -> None:
        self._scorer, self._worth, self._search = scorer, worth or Worth(), search or SearchSettings()
        past = past or Past.empty(scorer.shape.dims)
        self._past = Past(past.vectors, past.marks.copy())
        self._past.marks[:, EARLIER] = 1
        self._shown: dict[str, int] = {}
        self._items: list[str] = []
        self._vectors = np.zeros((0, scorer.shape.dims), np.float32)
        self._features = np.zeros((0, len(scorer.shape.features)), np.float32)
        self.last_plan: Plan | None = None

    @property
    def left(self) -> list[str]:
        """The items of the list that were not shown yet, in the order they came in."""
        return list(self._items)

    def offer(self, items: Sequence[str], vectors: Float32, features: Float32) -> None:
        """Take a list from the server; it replaces what is left of the one before. Items shown already are dropped.

        Args:
            items: ids, each once.
            vectors: float32 [items, dims].
            features: float32 [items, features].

        Raises:
            DataError: if an item comes twice, or the arrays are of other sizes.
        """
        twice = sorted({item for item in items if list(items).count(item) > 1})
        if twice:
            raise DataError(f"Twice in one list: {', '.join(twice)}.", "Offer every item once.")
        if len(items) != len(vectors):
            raise DataError(f"{len(items)} items with {len(vectors)} vectors.", "Give one vector an item.")
        self._scorer.check(vectors, features)
        new = [row for row, item in enumerate(items) if item not in self._shown]
        self._items, self._vectors, self._features = [items[row] for row in new], vectors[new], features[new]

    def next(self) -> str | None:
        """Return the item to show now, and count it as shown; None where the list is used up."""
        if not self._items:
            return None
        judge = self._scorer.judge(self._past, self._vectors, self._features, self._worth)
        search = self._search
        self.last_plan = plan(judge, len(self._items), search.width, search.stability, search.depth)
        row = self.last_plan.order[0]
        item, vector = self._items.pop(row), self._vectors[row]
        self._vectors, self._features = (np.delete(array, row, axis=0) for array in (self._vectors, self._features))
        self._shown[item] = len(self._past.vectors)
        self._past = self._past.then(vector, pending())
        return item

    def on_feedback(self, item: str, viewed: bool, liked: bool = False) -> None:
        """Take what the user made of an item that was shown; a later answer on the same item replaces it.

        Raises:
            UnknownNameError: if the item was not shown in this session.
        """
        if item not in self._shown:
            raise UnknownNameError("shown item", item, self._shown)
        self._past.marks[self._shown[item]] = mark(viewed, liked)
