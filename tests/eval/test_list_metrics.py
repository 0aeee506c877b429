"""What accuracy does not see, against tables computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from genrec.errors import DataError
from genrec_eval.metrics import (
    MetricsAccumulator,
    average_popularity,
    buckets,
    category_diversity,
    check_lists,
    embedding_diversity,
    entropy,
    exposure_parity,
    genre_calibration,
    gini,
    group_means,
    intersections,
    novelty,
    serendipity,
)

LISTS = np.array([[0, 1, 2], [0, 3, -1], [0, 1, -2]])


def test_exposure_by_hand() -> None:
    shown = [3, 2, 1, 1]
    assert gini(shown) == pytest.approx((-3 * 1 - 1 * 1 + 1 * 2 + 3 * 3) / (4 * 7))
    assert gini([5, 5, 5]) == pytest.approx(0)
    assert gini([0, 0, 0, 9]) == pytest.approx(0.75)
    assert entropy([2, 2, 2, 2]) == pytest.approx(2)
    assert entropy([0, 7]) == gini([0, 0]) == entropy([0, 0]) == 0
    assert average_popularity([1, 3], [10, 2]) == pytest.approx(4)
    # Counts of 3 and 1 become 4 and 2 of 6: −log2(2/3) and −log2(1/3).
    assert novelty([1, 1], [3, 1]) == pytest.approx(-(np.log2(2 / 3) + np.log2(1 / 3)) / 2)


def test_serendipity_counts_hits_off_the_popular_list() -> None:
    ranks, targets, popularity = [1, 1, 2, 0], [0, 3, 2, 3], [9, 5, 5, 1]
    assert serendipity(ranks, targets, popularity, 2) == 0.5  # items 0 and 1 are expected; 3 and 2 were hits
    assert serendipity(ranks, targets, popularity, 4) == 0


def test_the_accumulator_streams_to_the_same_figures(rng: np.random.Generator) -> None:
    lists = np.array([rng.permutation(20)[:6] for _ in range(30)])
    targets, popularity = rng.integers(0, 20, 30), rng.integers(0, 9, 20)
    whole, parts = (MetricsAccumulator((2, 5), 20, popularity) for _ in range(2))
    whole.update(lists, targets)
    for start in range(0, 30, 7):
        parts.update(lists[start : start + 7], targets[start : start + 7])
    assert parts.result() == whole.result()
    counts = np.bincount(lists[:, :5].ravel(), minlength=20)
    assert whole.result()["gini@5"] == gini(counts)
    assert whole.result()["novelty@5"] == novelty(counts, popularity)
    assert "novelty@5" not in MetricsAccumulator((5,), 20)._shown


def test_diversity_within_lists_by_hand() -> None:
    vectors = np.array([[1, 0], [0, 2], [1, 1], [0, 0]], dtype=np.float32)
    found = embedding_diversity(LISTS, vectors, 3)
    half = 1 - np.sqrt(0.5)
    np.testing.assert_allclose(found, [(1 + half + half) / 3, 1, 1], rtol=1e-6)
    genres = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)
    np.testing.assert_allclose(category_diversity(LISTS, genres, 3), [(0.5 + 1 + 1) / 3, 1, 0.5])
    assert np.isnan(embedding_diversity([[2, -1]], vectors, 2)).all()


def test_calibration_by_genre_by_hand() -> None:
    genres = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], dtype=bool)
    histories = [np.array([0, 1]), np.array([0, 0]), np.array([], int), np.array([0])]
    lists = np.array([[2, -1], [1, 1], [0, 1], [3, -1]])
    found = genre_calibration(lists, histories, genres, 2)
    np.testing.assert_allclose(found[:2], [0, np.log(1 / 0.01)], atol=1e-12)
    assert np.isnan(found[2:]).all()


def test_buckets_and_groups() -> None:
    assert buckets([0, 1, 9, 10, 500], (1, 10)).tolist() == [0, 1, 1, 2, 2]
    means, sizes = group_means([1, 0, 1], [0, 0, 2], 3)
    np.testing.assert_array_equal(means, [0.5, np.nan, 1])
    assert sizes.tolist() == [2, 0, 1]


def test_intersections_see_what_margins_hide() -> None:
    users, items = np.repeat([0, 0, 1, 1], 10), np.repeat([0, 1, 0, 1], 10)
    hits = np.where(users == items, 0.8, 0.2)  # each group alone: .5
    cells = intersections(hits, users, items, (2, 2))
    assert group_means(hits, users, 2)[0].tolist() == pytest.approx([0.5, 0.5])
    assert cells.cv == pytest.approx(0.6)
    assert (cells.user_cv, cells.item_cv) == pytest.approx((0.6, 0.6))
    assert cells.worst_quarter == pytest.approx(0.2)
    assert intersections(np.zeros(40), users, items, (2, 2)).cv == 0
    assert np.isnan(intersections([1], [0], [1], (2, 2)).means).sum() == 3


def test_exposure_parity_by_hand() -> None:
    groups, merit = [0, 0, 1, 1], [3, 1, 2, 2]
    place = 1 / np.log2([2, 3, 4])
    exposure = np.array([3 * place[0] + 2 * place[1], place[1] + place[2]])
    expected = exposure / exposure.sum() / 0.5
    np.testing.assert_allclose(exposure_parity(LISTS, groups, merit, 3), expected)


def test_odd_lists_are_said_refused_or_left_alone() -> None:
    lists, targets = np.array([[1, 1, 2], [-1, -1, -1], [0, 1, 2]]), [[0], [7], [1, 2]]
    with pytest.raises(DataError) as error:
        check_lists("m", lists, targets, 3, "raise")
    assert len(error.value.problems) == 3
    assert len(check_lists("m", lists, targets, 3, "warn")) == 3
    assert check_lists("m", lists, targets, 3, "ignore") == []
    assert check_lists("m", [[0, -1, -1]], np.array([2]), 3, "raise") == []
