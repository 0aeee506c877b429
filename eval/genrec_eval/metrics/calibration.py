"""How far predicted probabilities can be taken at their word: expected calibration error and log-loss."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_LEAST = 1e-7  # a probability of 0 or 1 would cost infinitely much where it is wrong


def calibration_error(labels: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 10) -> float:
    """Return ECE = Σ_b (n_b / n) · |mean label − mean probability| over bins of equal width (Guo et al., 2017).

    Args:
        labels: float [requests], from 0 to 1.
        probabilities: float [requests], from 0 to 1; bin b holds those in [b/bins, (b+1)/bins), the last one 1 too.
        bins: how many.

    Raises:
        ValueError: if there are no requests, or the shapes differ.
    """
    truth, predicted = _checked(labels, probabilities)
    of = np.minimum((predicted * bins).astype(int), bins - 1)
    gaps = np.bincount(of, truth - predicted, bins)
    return float(np.abs(gaps).sum() / len(truth))


def log_loss(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Return the mean of −[y log p + (1 − y) log(1 − p)], with p kept 1e-7 away from 0 and 1.

    Args:
        labels: float [requests], from 0 to 1.
        probabilities: float [requests], from 0 to 1.

    Raises:
        ValueError: if there are no requests, or the shapes differ.
    """
    truth, predicted = _checked(labels, probabilities)
    predicted = predicted.clip(_LEAST, 1 - _LEAST)
    return float(-(truth * np.log(predicted) + (1 - truth) * np.log1p(-predicted)).mean())


def _checked(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], ...]:
    truth, predicted = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if truth.shape != predicted.shape or truth.ndim != 1 or not len(truth):
        raise ValueError(f"labels {truth.shape} and probabilities {predicted.shape} must be one of each a request")
    return truth, predicted
