"""Metrics against tables computed by hand and against ranx."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec_eval.metrics import (
    INVALID,
    NOTHING,
    MetricsAccumulator,
    accuracy,
    coverage,
    entropy,
    gini,
    invalid_share,
    mrr,
    ndcg,
    recall,
    target_ranks,
)
from genrec_eval.metrics.exposure import shown_counts
from tests.eval.ranx_scores import scores_by_ranx

LISTS = np.array([[7, 3, 5], [3, 7, 5], [5, 3, 7], [1, 2, 3], [7, -1, -1], [-1, -1, -1], [7, 7, 3]])
TARGETS = np.array([7, 7, 7, 7, 7, 7, 3])
RANKS = [1, 2, 3, 0, 1, 0, 3]


def test_ranks_by_hand() -> None:
    assert target_ranks(LISTS, TARGETS).tolist() == RANKS


@pytest.mark.parametrize(
    ("k", "expected_recall", "expected_ndcg", "expected_mrr"),
    [
        (1, 2 / 7, 2 / 7, 2 / 7),
        (2, 3 / 7, (2 + 1 / math.log2(3)) / 7, (2 + 1 / 2) / 7),
        (3, 5 / 7, (2 + 1 / math.log2(3) + 2 * 0.5) / 7, (2 + 1 / 2 + 2 / 3) / 7),
    ],
)
def test_values_by_hand(k: int, expected_recall: float, expected_ndcg: float, expected_mrr: float) -> None:
    assert recall(RANKS, k) == pytest.approx(expected_recall)
    assert ndcg(RANKS, k) == pytest.approx(expected_ndcg)
    assert mrr(RANKS, k) == pytest.approx(expected_mrr)


def test_accuracy_names_and_values() -> None:
    result = accuracy(LISTS, TARGETS, ks=(1, 3))
    assert list(result) == ["recall@1", "recall@3", "ndcg@1", "ndcg@3", "mrr@1", "mrr@3"]
    assert result["recall@3"] == pytest.approx(5 / 7)


def test_a_repeated_item_counts_once_at_its_first_place() -> None:
    assert accuracy([[4, 4, 4]], [4], ks=(3,)) == {"recall@3": 1.0, "ndcg@3": 1.0, "mrr@3": 1.0}


def test_an_invalid_sequence_takes_up_its_place() -> None:
    assert accuracy([[INVALID, 4]], [4], ks=(2,))["mrr@2"] == 0.5


def test_equal_to_ranx(rng: np.random.Generator) -> None:
    pytest.importorskip("numba")
    lists = np.array([rng.permutation(40)[:20] for _ in range(300)])
    targets = rng.integers(0, 40, 300)
    ours = accuracy(lists, targets, ks=(1, 5, 20))
    theirs = scores_by_ranx(lists, targets[:, None], list(ours))
    assert ours == pytest.approx({name: values.mean() for name, values in theirs.items()})


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 10_000))
def test_batches_sum_up_to_the_whole(users: int, batch: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lists, targets = rng.integers(-1, 9, (users, 5)), rng.integers(0, 9, users)
    streamed = MetricsAccumulator(ks=(2, 5), catalogue_size=9)
    for start in range(0, users, batch):
        streamed.update(lists[start : start + batch], targets[start : start + batch])
    whole = accuracy(lists, targets, ks=(2, 5)) | {f"coverage@{k}": coverage(lists, k, 9) for k in (2, 5)}
    for k in (2, 5):
        shown = shown_counts(lists, k, 9)
        whole |= {f"gini@{k}": gini(shown), f"entropy@{k}": entropy(shown)}
    assert streamed.result() == pytest.approx(whole)
    assert streamed.invalid_share == invalid_share(lists, 9)
    assert streamed.ranks.tolist() == target_ranks(lists, targets).tolist()


def test_coverage_by_hand() -> None:
    assert coverage([[0, 1], [1, 2], [-1, -1]], k=1, catalogue_size=4) == 2 / 4
    assert coverage([[0, 1], [1, 2], [-1, -1]], k=2, catalogue_size=4) == 3 / 4
    assert coverage([[9, -2]], k=2, catalogue_size=4) == 0


def test_padding_is_not_invalid() -> None:
    assert invalid_share([[0, 1, NOTHING], [2, NOTHING, NOTHING]], 3) == 0
    assert invalid_share([[0, INVALID, NOTHING], [3, 2, 1]], 3) == 2 / 5
    assert invalid_share([[NOTHING, NOTHING]], 3) == 0


@pytest.mark.parametrize(
    ("items", "targets", "ks", "message"),
    [
        ([[1, 2]], [1], (3,), "lists of 3 places"),
        ([[1, 2]], [-1], (2,), "negative"),
        ([[1, 2]], [1, 2], (2,), "targets"),
        ([1, 2], [1, 2], (2,), "items must be"),
        (np.zeros((0, 5), dtype=int), np.zeros(0, dtype=int), (5,), "undefined"),
        ([[1, 2]], [1], (0,), "at least 1"),
    ],
)
def test_mistakes_are_refused(items: object, targets: object, ks: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        accuracy(items, targets, ks)  # type: ignore[arg-type]
