"""Every metric at once, for one batch or summed up over many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec_eval.metrics.exposure import average_popularity, entropy, gini, novelty, shown_counts
from genrec_eval.metrics.mrr import mrr
from genrec_eval.metrics.ndcg import ndcg
from genrec_eval.metrics.ranks import target_ranks
from genrec_eval.metrics.recall import recall
from genrec_eval.metrics.serendipity import serendipity
from genrec_eval.metrics.validity import count_invalid

_ACCURACY = {"recall": recall, "ndcg": ndcg, "mrr": mrr}


def accuracy(items: npt.ArrayLike, targets: npt.ArrayLike, ks: Sequence[int] = (10,)) -> dict[str, float]:
    """Return the mean accuracy of lists, such as ``{"recall@10": .18, "ndcg@10": .09, "mrr@10": .06}``.

    Args:
        items: int64 [examples, k], recommended ``item_index``, best first; -1 where there is nothing.
        targets: int64 [examples], the ``item_index`` to be found.
        ks: the cut-offs; none may be larger than the lists are wide.

    Raises:
        ValueError: if the shapes do not fit, a cut-off is too large, or there are no examples.
    """
    _check_width(items, ks)
    return _means(target_ranks(items, targets), ks)


class MetricsAccumulator:
    """Sums metrics up batch by batch: 16 bytes an example and 8 an item and cut-off, however long the lists are.

    A million users and a catalogue of 100,000 at three cut-offs take 18 MB.

    Args:
        ks: the cut-offs.
        catalogue_size: the number of items there are; None leaves coverage, Gini, entropy and validity out.
        popularity: interactions of each item in training, [items]; None leaves out what is measured by them.
    """

    def __init__(
        self,
        ks: Sequence[int] = (10,),
        catalogue_size: int | None = None,
        popularity: npt.NDArray[np.integer] | None = None,
    ) -> None:
        self.ks = tuple(ks)
        self.catalogue_size = catalogue_size
        self._ranks: list[npt.NDArray[np.int64]] = []
        self._targets: list[npt.NDArray[np.int64]] = []
        self._shown = {k: np.zeros(catalogue_size or 0, dtype=np.int64) for k in self.ks}
        self._popularity = popularity
        self._invalid = self._generated = 0

    def update(self, items: npt.ArrayLike, targets: npt.ArrayLike) -> None:
        """Add one batch: items int64 [examples, k], targets int64 [examples], as for :func:`accuracy`.

        Raises:
            ValueError: if the shapes do not fit or a cut-off is larger than the lists are wide.
        """
        _check_width(items, self.ks)
        self._ranks.append(target_ranks(items, targets))
        self._targets.append(np.asarray(targets, dtype=np.int64))
        if self.catalogue_size is None:
            return
        invalid, generated = count_invalid(items, self.catalogue_size)
        self._invalid, self._generated = self._invalid + invalid, self._generated + generated
        for k in self.ks:
            self._shown[k] += shown_counts(items, k, self.catalogue_size)

    @property
    def ranks(self) -> npt.NDArray[np.int64]:
        """The rank of every target so far, int64 [examples], in the order they came; 0 where it is missing."""
        return np.concatenate([np.zeros(0, dtype=np.int64), *self._ranks])

    @property
    def invalid_share(self) -> float:
        """The share of generated sequences that are no item, as of :func:`genrec_eval.metrics.invalid_share`."""
        return self._invalid / self._generated if self._generated else 0.0

    def result(self) -> dict[str, float]:
        """Return the metrics at every cut-off, by names such as ``ndcg@10``.

        Means over examples: recall, ndcg, mrr, and serendipity where popularity is known. Of what was shown, where
        the catalogue's size is known: coverage, gini, entropy; and with popularity: popularity, novelty.

        Raises:
            ValueError: if there were no examples.
        """
        ranks = self.ranks
        figures = _means(ranks, self.ks)
        if self.catalogue_size is None:
            return figures
        figures |= {f"coverage@{k}": float((shown > 0).mean()) for k, shown in self._shown.items()}
        figures |= {f"gini@{k}": gini(shown) for k, shown in self._shown.items()}
        figures |= {f"entropy@{k}": entropy(shown) for k, shown in self._shown.items()}
        if self._popularity is None:
            return figures
        known, targets = self._popularity, np.concatenate(self._targets)
        figures |= {f"popularity@{k}": average_popularity(shown, known) for k, shown in self._shown.items()}
        figures |= {f"novelty@{k}": novelty(shown, known) for k, shown in self._shown.items()}
        return figures | {f"serendipity@{k}": serendipity(ranks, targets, known, k) for k in self.ks}


def _means(ranks: npt.NDArray[np.int64], ks: Sequence[int]) -> dict[str, float]:
    return {f"{name}@{k}": metric(ranks, k) for name, metric in _ACCURACY.items() for k in ks}


def _check_width(items: npt.ArrayLike, ks: Sequence[int]) -> None:
    shape = np.shape(items)
    if len(shape) == 2 and shape[1] < max(ks):
        raise ValueError(f"metrics at {max(ks)} need lists of {max(ks)} places (padded with -1), not {shape[1]}")
