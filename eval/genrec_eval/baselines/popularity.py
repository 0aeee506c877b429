"""Popularity: the same list for everyone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec_eval.baselines.base import Baseline, Items


class Popularity(Baseline):
    """Ranks items by the number of their interactions in the training part."""

    name = "popularity"

    def _fit(self, train: list[Items]) -> None:
        pass  # the counts that settle ties everywhere are all there is

    def _score(self, histories: Sequence[Items]) -> npt.NDArray[np.float32]:
        return np.broadcast_to(self._counts, (len(histories), len(self._counts)))
