"""Constrained k-means: sizes that differ by at most one, at the least total cost."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from genrec.errors import DataError
from genrec_tokenizers.quantizers import load_quantizer
from genrec_tokenizers.quantizers.constrained_kmeans import ConstrainedKMeans, constrain
from genrec_tokenizers.quantizers.transport import COST_LIMIT, cheapest_labels

quick = settings(deadline=None, max_examples=60)


def least_cost(costs: np.ndarray) -> int:
    """The optimum by scipy: every cluster is ⌈n/K⌉ places, of which only the last may stay with a filler."""
    items, clusters = costs.shape
    places = -(-items // clusters)
    fillers = np.full((clusters * places - items, clusters * places), 2**40)
    fillers[:, places - 1 :: places] = 0
    square = np.vstack([np.repeat(costs.astype(np.int64), places, axis=1), fillers])
    return int(square[linear_sum_assignment(square)].sum())


@quick
@given(st.integers(2, 12), st.integers(0, 60), st.sampled_from([2, 40, COST_LIMIT]), st.integers(0, 10_000))
def test_the_assignment_is_exactly_the_cheapest(clusters: int, more: int, top: int, seed: int) -> None:
    """Costs of 0 and 1 have ties everywhere, large ones have none; prices to start from change nothing."""
    rng = np.random.default_rng(seed)
    costs = rng.integers(0, top, size=(clusters + more, clusters), endpoint=True).astype(np.int32)
    for prices in (np.zeros(clusters, np.int64), rng.integers(-top, top, size=clusters)):
        labels, _ = cheapest_labels(costs, prices)
        sizes = np.bincount(labels, minlength=clusters)
        assert sizes.max() - sizes.min() <= 1
        assert costs[np.arange(len(costs)), labels].sum(dtype=np.int64) == least_cost(costs)


def test_it_is_the_cheapest_where_clusters_are_large(rng: np.random.Generator) -> None:
    """800 points about 5 unequal centres, cut into 10 clusters, with room for fillers."""
    points = rng.normal(size=(5, 3))[rng.choice(5, 803, p=[0.6, 0.2, 0.1, 0.05, 0.05])] * 4 + rng.normal(
        size=(803, 3)
    )
    centroids = points[rng.choice(803, 10, replace=False)]
    squared = np.square(points[:, None] - centroids).sum(axis=2)
    costs = (squared / squared.max() * COST_LIMIT).astype(np.int32)
    labels, prices = cheapest_labels(costs, np.zeros(10, np.int64))
    assert costs[np.arange(803), labels].sum(dtype=np.int64) == least_cost(costs)
    again, _ = cheapest_labels(costs, prices)
    assert costs[np.arange(803), again].sum(dtype=np.int64) == least_cost(costs)


@pytest.mark.parametrize(("items", "codes"), [(512, 16), (1000, 256), (9, 6), (100, 99)])
def test_sizes_differ_by_at_most_one_at_every_level(rng: np.random.Generator, items: int, codes: int) -> None:
    quantizer = ConstrainedKMeans((codes, codes), iterations=3)
    levels = quantizer.fit_encode(rng.normal(size=(items, 8)).astype(np.float32)).T
    for column in levels:
        sizes = np.bincount(column, minlength=codes)
        assert set(sizes) <= {items // codes, -(-items // codes)}


def test_rounds_lower_the_error_until_nothing_moves(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(300, 4)).astype(np.float32)
    start = vectors[:12]

    def error(iterations: int) -> float:
        centroids, labels = constrain(vectors, start, iterations)
        return float(np.square(vectors - centroids[labels]).sum())

    errors = [error(iterations) for iterations in (1, 2, 4, 8, 100, 101)]
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in itertools.pairwise(errors))
    assert errors[1] < errors[0]
    assert errors[-1] == errors[-2]


def test_centroids_are_the_means_of_their_items(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(200, 4)).astype(np.float32)
    quantizer = ConstrainedKMeans((8,), iterations=4)
    codes = quantizer.fit_encode(vectors)[:, 0]
    means = np.stack([vectors[codes == code].mean(axis=0) for code in range(8)])
    assert np.allclose(quantizer.codebooks[0], means, atol=1e-6)


def test_new_items_take_the_nearest_code_whatever_its_size(rng: np.random.Generator) -> None:
    quantizer = ConstrainedKMeans((8,)).fit(rng.normal(size=(64, 4)).astype(np.float32))
    assert (quantizer.encode(np.repeat(quantizer.codebooks[0][3:4], 20, axis=0) + 1e-4) == 3).all()


def test_equal_seeds_give_equal_codes(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(200, 6)).astype(np.float32)
    first, second = (ConstrainedKMeans((16, 8), iterations=3, seed=2).fit_encode(vectors) for _ in range(2))
    assert np.array_equal(first, second)


def test_fewer_distinct_vectors_than_codes_are_no_error(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(2, 4)).astype(np.float32)[np.arange(40) % 2]
    codes = ConstrainedKMeans((8, 8)).fit_encode(vectors)
    assert all(np.bincount(column, minlength=8).tolist() == [5] * 8 for column in codes.T)


def test_bad_vectors_are_refused(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(20, 4)).astype(np.float32)
    quantizer = ConstrainedKMeans((4,))
    with pytest.raises(DataError, match="20 items cannot fill a codebook of 21 codes"):
        ConstrainedKMeans((21,)).fit(vectors)
    with pytest.raises(DataError, match="are the same vector"):
        quantizer.fit(np.ones((20, 4), np.float32))
    with pytest.raises(DataError, match="5 dimensions"):
        quantizer.fit(vectors).encode(np.zeros((2, 5), np.float32))
    vectors[3, 1] = np.nan
    with pytest.raises(DataError, match=r"NaN or infinity \(rows 3\)"):
        quantizer.fit(vectors)


def test_it_comes_back_from_disk(rng: np.random.Generator, tmp_path: Path) -> None:
    vectors = rng.normal(size=(60, 5)).astype(np.float32)
    quantizer = ConstrainedKMeans((8, 4), iterations=7, seed=3).fit(vectors)
    quantizer.save_pretrained(tmp_path)
    again = load_quantizer(tmp_path)
    assert isinstance(again, ConstrainedKMeans)
    assert again.settings() == quantizer.settings()
    assert np.array_equal(again.encode(vectors), quantizer.encode(vectors))
