"""Every metric of lists against whole sessions, summed up batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec_eval.metrics.coverage import seen_items
from genrec_eval.metrics.diversity import diversity
from genrec_eval.metrics.repeats import count_repeats
from genrec_eval.metrics.seen_before import count_seen_before
from genrec_eval.metrics.session_hit import session_hit
from genrec_eval.metrics.session_map import session_map
from genrec_eval.metrics.session_ndcg import session_ndcg
from genrec_eval.metrics.session_ranks import SessionRanks, session_ranks
from genrec_eval.metrics.session_recall import session_recall
from genrec_eval.metrics.validity import count_invalid

_ACCURACY = {"recall": session_recall, "ndcg": session_ndcg, "map": session_map, "hit": session_hit}


class SessionMetricsAccumulator:
    """Sums metrics of lists against sessions up, batch by batch.

    Args:
        ks: the cut-offs.
        catalogue_size: the number of items there are.
        codes: int [items, levels], their semantic IDs; None leaves diversity out.
    """

    def __init__(
        self, ks: Sequence[int], catalogue_size: int, codes: npt.NDArray[np.integer] | None = None
    ) -> None:
        self.ks = tuple(ks)
        self.catalogue_size = catalogue_size
        self.codes = codes
        self._found: list[SessionRanks] = []
        self._covered = {k: np.zeros(catalogue_size, dtype=np.bool_) for k in self.ks}
        self._diversity: dict[int, list[npt.NDArray[np.float64]]] = {k: [] for k in self.ks}
        # By name and cut-off: how many places are of that kind, and how many there are.
        self._shares = {(name, k): np.zeros(2, np.int64) for name in ("repeats", "seen") for k in self.ks}
        self._invalid = np.zeros(2, np.int64)

    def update(
        self,
        items: npt.ArrayLike,
        sessions: Sequence[npt.NDArray[np.integer]],
        histories: Sequence[npt.NDArray[np.integer]],
    ) -> None:
        """Add one batch.

        Args:
            items: int64 [sessions, max(ks) or more], the lists, best first; -1 where there is nothing.
            sessions: the distinct items of each session.
            histories: what each user had before.

        Raises:
            ValueError: if the shapes do not fit or a cut-off is larger than the lists are wide.
        """
        found = session_ranks(items, sessions)
        if np.shape(items)[1] < max(self.ks):
            raise ValueError(f"metrics at {max(self.ks)} need lists of that many places, padded with -1")
        self._found.append(found)
        self._invalid += count_invalid(items, self.catalogue_size)
        for k in self.ks:
            self._covered[k] |= seen_items(items, k, self.catalogue_size)
            self._shares["repeats", k] += count_repeats(items, k)
            self._shares["seen", k] += count_seen_before(items, histories, k)
            if self.codes is not None:
                self._diversity[k].append(diversity(items, self.codes, k))

    @property
    def found(self) -> SessionRanks:
        """The rank of every item of every session so far."""
        ranks, sizes = zip(*self._found, strict=True) if self._found else ((), ())
        empty = np.zeros(0, np.int64)
        return SessionRanks(np.concatenate([empty, *ranks]), np.concatenate([empty, *sizes]))

    @property
    def invalid_share(self) -> float:
        """The share of generated sequences that are no item, as of :func:`genrec_eval.metrics.invalid_share`."""
        return _share(self._invalid)

    def result(self) -> dict[str, float]:
        """Return the metrics at every cut-off, by names such as ``recall@5``.

        Means over sessions: recall, ndcg, map, hit. A mean over lists of two items or more, 0 where there are none:
        diversity. Shares of filled places: repeats, seen. A share of the catalogue: coverage.

        Raises:
            ValueError: if there were no sessions.
        """
        found = self.found
        metrics = {
            f"{name}@{k}": float(metric(found, k).mean()) for name, metric in _ACCURACY.items() for k in self.ks
        }
        if self.codes is not None:
            metrics |= {f"diversity@{k}": _mean(np.concatenate(lists)) for k, lists in self._diversity.items()}
        metrics |= {f"coverage@{k}": float(covered.mean()) for k, covered in self._covered.items()}
        return metrics | {f"{name}@{k}": _share(counts) for (name, k), counts in self._shares.items()}


def _share(counts: npt.NDArray[np.int64]) -> float:
    return float(counts[0] / counts[1]) if counts[1] else 0.0


def _mean(values: npt.NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0
