"""OneRec's greedy balanced k-means: the paper's algorithm, item by item, and equal sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import DataError
from genrec_tokenizers.quantizers import load_quantizer
from genrec_tokenizers.quantizers.balanced_kmeans import BalancedKMeans, even_sizes, smallest

quick = settings(deadline=None, max_examples=40)


def literal_level(vectors: np.ndarray, size: int, iterations: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The paper's words: sort what is left by distance, the first w are the cluster."""
    centroids = vectors[np.random.default_rng(seed).choice(len(vectors), size, replace=False)].astype(np.float64)
    quota = [len(part) for part in np.array_split(np.arange(len(vectors)), size)]
    labels = np.full(len(vectors), -1)
    for _ in range(iterations):
        before, labels, left = labels, np.empty_like(labels), list(range(len(vectors)))
        for k in range(size):
            left.sort(key=lambda item: (((vectors[item] - centroids[k]) ** 2).sum(), item))
            members, left = left[: quota[k]], left[quota[k] :]
            labels[members] = k
            centroids[k] = vectors[members].astype(np.float64).mean(axis=0)
        if (labels == before).all():
            break
    return centroids, labels


@quick
@given(st.integers(6, 90), st.integers(1, 6), st.integers(2, 30), st.integers(1, 6), st.integers(0, 10_000))
def test_it_is_the_algorithm_of_the_paper(items: int, dim: int, size: int, iterations: int, seed: int) -> None:
    size = min(size, items // 3)  # the two items of a pair are equally far from their mean: rounding would decide
    vectors = np.random.default_rng(seed).normal(size=(items, dim)).astype(np.float32)
    quantizer = BalancedKMeans((size,), iterations, seed)
    codes = quantizer.fit_encode(vectors)
    centroids, labels = literal_level(vectors, size, iterations, seed)
    assert np.array_equal(codes[:, 0], labels)
    assert np.allclose(quantizer.codebooks[0], centroids, atol=1e-5)


@pytest.mark.parametrize(("items", "codes"), [(512, 16), (1000, 256), (9, 6), (100, 99)])
def test_sizes_differ_by_at_most_one_at_every_level(rng: np.random.Generator, items: int, codes: int) -> None:
    quantizer = BalancedKMeans((codes, codes), iterations=4)
    levels = quantizer.fit_encode(rng.normal(size=(items, 8)).astype(np.float32)).T
    for column in levels:
        sizes = np.bincount(column, minlength=codes)
        assert sorted(sizes) == sorted(
            [items // codes] * (codes - items % codes) + [items // codes + 1] * (items % codes)
        )


def test_nine_items_in_six_clusters_leave_none_empty() -> None:
    """A size of ⌈9/6⌉ = 2 would give 2 2 2 2 1 0."""
    assert even_sizes(9, 6).tolist() == [2, 2, 2, 1, 1, 1]
    assert even_sizes(12, 6).tolist() == [2] * 6


@quick
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.data())
def test_the_smallest_are_those_of_a_stable_sort(values: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(values)))
    expected = np.argsort(values, kind="stable")[:count]
    assert np.array_equal(np.flatnonzero(smallest(np.array(values, np.float32), count)), np.sort(expected))


def test_each_level_quantizes_what_the_balanced_assignment_left_over(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(120, 5)).astype(np.float32)
    quantizer = BalancedKMeans((7, 5), iterations=3, seed=4)
    codes = quantizer.fit_encode(vectors)
    first = quantizer.codebooks[0]
    centroids, labels = literal_level(vectors - first[codes[:, 0]], 5, 3, 5)
    assert np.array_equal(codes[:, 1], labels)
    assert np.allclose(quantizer.codebooks[1], centroids, atol=1e-5)


def test_new_items_take_the_nearest_code_whatever_its_size(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(64, 4)).astype(np.float32)
    quantizer = BalancedKMeans((8,)).fit(vectors)
    codebook = quantizer.codebooks[0]
    new = np.repeat(codebook[3:4], 20, axis=0) + 1e-4
    assert (quantizer.encode(new) == 3).all()


def test_blocks_of_centroids_change_nothing(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = rng.normal(size=(300, 6)).astype(np.float32)
    codes = BalancedKMeans((100,), iterations=3).fit_encode(vectors)
    monkeypatch.setattr("genrec_tokenizers.quantizers.balanced_kmeans._BLOCK", 7)
    assert np.array_equal(BalancedKMeans((100,), iterations=3).fit_encode(vectors), codes)


def test_fewer_distinct_vectors_than_codes_are_no_error(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(2, 4)).astype(np.float32)[np.arange(40) % 2]
    codes = BalancedKMeans((8, 8)).fit_encode(vectors)
    assert all(np.bincount(column, minlength=8).tolist() == [5] * 8 for column in codes.T)


def test_bad_vectors_are_refused(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(20, 4)).astype(np.float32)
    quantizer = BalancedKMeans((4,))
    with pytest.raises(DataError, match="20 items cannot fill a codebook of 21 codes"):
        BalancedKMeans((21,)).fit(vectors)
    with pytest.raises(DataError, match="are the same vector"):
        quantizer.fit(np.ones((20, 4), np.float32))
    with pytest.raises(DataError, match="5 dimensions"):
        quantizer.fit(vectors).encode(np.zeros((2, 5), np.float32))
    vectors[3, 1] = np.nan
    with pytest.raises(DataError, match=r"NaN or infinity \(rows 3\)"):
        quantizer.fit(vectors)


def test_it_comes_back_from_disk(rng: np.random.Generator, tmp_path: Path) -> None:
    vectors = rng.normal(size=(60, 5)).astype(np.float32)
    quantizer = BalancedKMeans((8, 4), iterations=7, seed=3).fit(vectors)
    quantizer.save_pretrained(tmp_path)
    again = load_quantizer(tmp_path)
    assert isinstance(again, BalancedKMeans)
    assert again.settings() == quantizer.settings()
    assert np.array_equal(again.encode(vectors), quantizer.encode(vectors))
