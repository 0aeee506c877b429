"""Area under the ROC curve, of all requests together and user by user."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float | None:
    """Return the share of (positive, negative) pairs in which the positive has the higher score; a tie counts half.

    Args:
        labels: bool or 0/1 [requests].
        scores: float [requests].

    Returns:
        From 0 to 1, or None where one of the classes is missing.
    """
    positive, values = _checked(labels, scores)
    above = int(positive.sum())
    below = len(positive) - above
    if not above or not below:
        return None
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[place]  # equal scores share the mean of their ranks
    return float((ranks[positive].sum() - above * (above + 1) / 2) / (above * below))


def grouped_auc(labels: npt.ArrayLike, scores: npt.ArrayLike, groups: npt.ArrayLike) -> tuple[float | None, float]:
    """Return GAUC = Σ_u w_u AUC_u with w_u in proportion to the requests of group u, and the share it covers.

    Groups with one class have no AUC and are left out (as in HoME, arXiv:2408.05430, the weights are requests).

    Args:
        labels: bool or 0/1 [requests].
        scores: float [requests].
        groups: int [requests], such as the user.

    Returns:
        GAUC, or None where no group has both classes; and the share of requests whose group has both.
    """
    positive, values = _checked(labels, scores)
    order = np.argsort(np.asarray(groups), kind="stable")
    starts = np.flatnonzero(np.diff(np.asarray(groups)[order])) + 1
    parts = [rows for rows in np.split(order, starts) if len(rows)]
    found = [(len(rows), auc(positive[rows], values[rows])) for rows in parts]
    measured = [(size, area) for size, area in found if area is not None]
    covered = sum(size for size, _ in measured)
    if not covered:
        return None, 0.0
    return sum(size * area for size, area in measured) / covered, covered / len(positive)


def _checked(
    labels: npt.ArrayLike, scores: npt.ArrayLike
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.floating]]:
    positive, values = np.asarray(labels).astype(bool), np.asarray(scores)
    if positive.shape != values.shape or positive.ndim != 1:
        raise ValueError(f"labels {positive.shape} and scores {values.shape} must be one of each a request")
    return positive, values
