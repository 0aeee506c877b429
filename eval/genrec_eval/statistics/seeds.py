"""Several seeds of one method."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev


def mean_and_sd(figures: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean over seeds and their standard deviation (n − 1 below the line); None for a single one.

    Raises:
        ValueError: if there are none.
    """
    if not figures:
        raise ValueError("the mean over no seeds is undefined")
    return mean(figures), stdev(figures) if len(figures) > 1 else None
