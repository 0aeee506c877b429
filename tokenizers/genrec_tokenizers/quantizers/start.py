"""Where k-means begins: the better of two starts, since each fails where the other is good.

Greedy k-means++ takes items far from each other, which finds clusters where there are some. Where vectors fill
space evenly, as the residuals of later levels do, every item is far from all others and from all such centroids but
the one nearest the middle, which then takes nearly all: the level collapses to a few codes. Means of equally many
items do not collapse, but find clusters less well. Which of them is better is seen after a few rounds on a sample.
Measured in docs/experiments.md.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from genrec_tokenizers.quantizers.balanced_kmeans import greedy_round

Vectors = npt.NDArray[np.float32]

_ITEMS, _SPREAD_ITEMS = 8192, 4096  # a table of the distances of the latter takes 64 MiB
_ROUNDS, _EVEN_ROUNDS = 5, 2


def starting_centroids(vectors: Vectors, size: int, seed: int) -> Vectors:
    """Return ``size`` centroids to begin with, float32 [size, dim], from some of float32 [items, dim]."""
    rng = np.random.default_rng(seed)
    sample, judges = (_draw(vectors, max(_ITEMS, 4 * size), rng) for _ in range(2))
    starts = [
        spread_items(_draw(sample, max(_SPREAD_ITEMS, 4 * size), rng), size, rng),
        even_means(sample, size, rng),
    ]
    moved = [lloyd(sample, start, _ROUNDS, seed)[0] for start in starts]
    return min(moved, key=lambda centroids: _error(judges, centroids))


def lloyd(vectors: Vectors, centroids: Vectors, iterations: int, seed: int) -> tuple[Vectors, float]:
    """Run faiss's k-means on all of float32 [items, dim]; return the new centroids and the error."""
    limits: dict[str, Any] = {
        "seed": seed % 2**31,  # a C int there
        "min_points_per_centroid": 1,  # no warning of few items a code
        "max_points_per_centroid": len(vectors),  # no sampling
    }
    kmeans = faiss.Kmeans(vectors.shape[1], len(centroids), niter=iterations, **limits)
    error = kmeans.train(vectors, init_centroids=centroids)
    return np.array(kmeans.centroids, dtype=np.float32), float(error)


def even_means(sample: Vectors, size: int, rng: np.random.Generator) -> Vectors:
    """Return the means of clusters of equal size: rounds of OneRec's greedy assignment from random items."""
    centroids = sample[rng.choice(len(sample), size, replace=False)]
    lengths = np.einsum("ij,ij->i", sample, sample)
    for _ in range(_EVEN_ROUNDS):
        _, centroids = greedy_round(sample, lengths, centroids)
    return centroids


def spread_items(sample: Vectors, size: int, rng: np.random.Generator) -> Vectors:
    """Return items by greedy k-means++.

    Each next one is the best of 2 + ln(size) items drawn by their squared distance from those so far (Arthur and
    Vassilvitskii, 2007). scikit-learn's does the same and took over ten times as long; faiss has the kind with one
    trial only.
    """
    lengths = np.einsum("ij,ij->i", sample, sample)
    # One large matrix product is much faster than one a centroid, where its result fits.
    table = _distances(sample, lengths, np.arange(len(sample))) if len(sample) <= _SPREAD_ITEMS else None
    trials = 2 + int(np.log(size))
    chosen = [int(rng.integers(len(sample)))]
    left = _distances(sample, lengths, np.array(chosen))[0]
    while len(chosen) < size:
        reach = np.cumsum(left, dtype=np.float64)
        places = np.searchsorted(reach, rng.random(trials) * reach[-1], side="right")
        drawn = np.minimum(places, len(sample) - 1)
        each = np.minimum(_distances(sample, lengths, drawn) if table is None else table[drawn], left)
        best = int(each.sum(axis=1).argmin())
        chosen.append(int(drawn[best]))
        left = each[best]
    return sample[chosen]


def _draw(vectors: Vectors, number: int, rng: np.random.Generator) -> Vectors:
    """Return some rows, in order, or all if they are few."""
    if len(vectors) <= number:
        return vectors
    return vectors[np.sort(rng.choice(len(vectors), number, replace=False))]


def _error(vectors: Vectors, centroids: Vectors) -> float:
    return float(faiss.knn(vectors, centroids, 1)[0].sum(dtype=np.float64))


def _distances(sample: Vectors, lengths: Vectors, rows: npt.NDArray[np.int64]) -> Vectors:
    """Return the squared distances of some rows of the sample from all, float32 [rows, items]."""
    distances = sample[rows] @ sample.T
    distances *= -2
    distances += lengths
    distances += lengths[rows, None]
    return np.maximum(distances, 0, out=distances)
