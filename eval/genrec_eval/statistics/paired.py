"""Paired bootstrap and paired randomisation of a mean difference, at the cost of its distinct values.

Differences of recall or NDCG at K take few distinct values. Drawing how often each of them comes up is the same as
drawing users one by one, and takes as long for a million users as for a thousand.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
SAMPLES = 10_000
_AT_ONCE = 1 << 22  # counts held in memory at once: 32 MiB


def confidence_interval(
    differences: npt.ArrayLike, level: float = 0.95, samples: int = SAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean of paired differences (Efron, 1979).

    Args:
        differences: float [users], one model's figure minus the other's.
        level: the share of bootstrap means inside.
        samples: bootstrap samples.
        seed: of the draws.

    Raises:
        ValueError: if there are no users.
    """
    values, counts = _distinct(differences)
    users, rng = int(counts.sum()), np.random.default_rng(seed)
    draws = [rng.multinomial(users, counts / users, size=size) @ values for size in _sizes(samples, len(values))]
    low, high = np.quantile(np.concatenate(draws) / users, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def randomization_p(differences: npt.ArrayLike, samples: int = SAMPLES, seed: int = 0) -> float:
    """Return the two-sided p of a mean difference if it were chance which model is which (Fisher's randomisation).

    Every user's difference changes its sign with probability ½; p is the share of such means that are at least as
    far from 0 as the one seen, which counts as one of them: ``(1 + b) / (1 + samples)``, never 0.

    Args:
        differences: float [users].
        samples: sign changes tried.
        seed: of the draws.

    Raises:
        ValueError: if there are no users.
    """
    values, counts = _distinct(np.abs(np.asarray(differences, dtype=np.float64)))
    kept = values > 0  # those without a difference have no sign to change
    values, counts = values[kept], counts[kept]
    seen = abs(float(np.sum(differences)))
    if not len(values):
        return 1.0
    rng = np.random.default_rng(seed)
    positive = (rng.binomial(counts, 0.5, size=(size, len(counts))) for size in _sizes(samples, len(counts)))
    sums = np.abs(np.concatenate([(2 * part - counts) @ values for part in positive]))
    # A hair less than what was seen counts as equal: sums of the same values in another order differ by rounding.
    return float((1 + np.count_nonzero(sums >= seen * (1 - 1e-9))) / (1 + samples))


def _sizes(samples: int, distinct: int) -> list[int]:
    """Return how many samples to draw at a time."""
    step = max(1, _AT_ONCE // distinct)
    return [min(step, samples - start) for start in range(0, samples, step)]


def _distinct(differences: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.int64]]:
    array = np.asarray(differences, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"differences must be one a user, and at least one; got the shape {array.shape}")
    values, counts = np.unique(array, return_counts=True)
    return values, counts.astype(np.int64)
