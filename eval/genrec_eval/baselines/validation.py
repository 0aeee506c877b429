"""Scoring on the validation part, for whoever chooses settings or a moment to stop by it."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from genrec.data import Examples
from genrec.data.examples import Tasks
from genrec_eval.baselines.base import Baseline
from genrec_eval.metrics import accuracy

VALIDATION_USERS = 2000  # more do not make the choice better, only slower
T = TypeVar("T", bound=Tasks)


def validation_ndcg(baseline: Baseline, valid: Examples, exclude_seen: bool) -> float:
    """Return a baseline's NDCG@10 on examples."""
    ranking = baseline.recommend(valid.histories, 10, valid.histories if exclude_seen else None, valid.users)
    return accuracy(ranking.items, valid.targets, ks=(10,))["ndcg@10"]


def sample_examples(examples: T, most: int | None, seed: int) -> T:
    """Return a random ``most`` of the examples, in their order; all of them where there are no more."""
    if most is None or len(examples) <= most:
        return examples
    rows = np.sort(np.random.default_rng(seed).choice(len(examples), most, replace=False))
    return examples[rows]
