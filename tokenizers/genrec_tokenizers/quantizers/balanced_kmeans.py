"""OneRec's greedy balanced residual k-means (arXiv 2502.18965): the codes of a level have equally many items.

One round, with U = all items: for k = 1, …, K in order, the w items of U nearest to centroid k are its cluster,
leave U, and their mean is its centroid in the next round. It is greedy and depends on the order: late clusters get
leftovers. Two things that the paper leaves open are settled here. Where K does not divide the items, the first
clusters have one more than the others (``divmod``; w rounded up would leave the last ones empty). Catalogue items
keep the balanced assignment of the last round; later items take the nearest centroid.

Within a round every distance is to a centroid of the round before, so distances come from matrix products of
:data:`_BLOCK` centroids with all items. The whole matrix [K, items] would take as much memory as the vectors.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_tokenizers.quantizers.residual import ClusteredQuantizer

_BLOCK = 64


class BalancedKMeans(ClusteredQuantizer):
    """Residual k-means whose clusters' sizes differ by at most one item, assigned greedily.

    Args:
        codebook_sizes: the number of codes of each level.
        iterations: rounds on each level; a level ends earlier once no item moves.
        seed: of the starting centroids, which are items chosen at random.
    """

    kind = "balanced_kmeans"

    def _fit_level(
        self, residual: npt.NDArray[np.float32], size: int, seed: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.integer]]:
        start = np.random.default_rng(seed).choice(len(residual), size, replace=False)
        centroids, labels = residual[start], np.full(len(residual), -1, dtype=np.int32)
        lengths = np.einsum("ij,ij->i", residual, residual)
        for _ in range(self.iterations):
            before = labels
            labels, centroids = greedy_round(residual, lengths, centroids)
            if np.array_equal(labels, before):
                break
        return centroids, labels


def even_sizes(items: int, clusters: int) -> npt.NDArray[np.int64]:
    """Return cluster sizes that differ by at most one, int64 [clusters]; 9 items in 6 are 2, 2, 2, 1, 1, 1."""
    size, larger = divmod(items, clusters)
    return size + (np.arange(clusters) < larger)


def greedy_round(
    vectors: npt.NDArray[np.float32], lengths: npt.NDArray[np.float32], centroids: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Give each cluster in turn the nearest items that are left.

    Args:
        vectors: float32 [items, dim].
        lengths: their squared lengths, float32 [items].
        centroids: float32 [clusters, dim] of the round before.

    Returns:
        The cluster of each item, int32 [items], and the clusters' means, float32 [clusters, dim].
    """
    left = np.arange(len(vectors), dtype=np.int32)
    labels = np.empty(len(vectors), dtype=np.int32)
    means = np.empty_like(centroids)
    distances = np.empty((min(_BLOCK, len(centroids)), len(vectors)), dtype=np.float32)
    for cluster, size in enumerate(even_sizes(len(vectors), len(centroids))):
        row = cluster % _BLOCK
        if row == 0:
            _distances(vectors, lengths, centroids[cluster : cluster + _BLOCK], distances)
        taken = smallest(distances[row][left], size)
        members, left = left[taken], left[~taken]
        labels[members] = cluster
        means[cluster] = vectors[members].mean(axis=0)
    return labels, means


def smallest(values: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.bool_]:
    """Return a mask of the ``count`` smallest of ``values``; of equal ones the first."""
    limit = np.partition(values, count - 1)[count - 1]
    mask = values <= limit
    surplus = np.count_nonzero(mask) - count
    if surplus:
        mask[np.flatnonzero(values == limit)[-surplus:]] = False
    return mask


def _distances(
    vectors: npt.NDArray[np.float32],
    lengths: npt.NDArray[np.float32],
    centroids: npt.NDArray[np.float32],
    out: npt.NDArray[np.float32],
) -> None:
    """Write squared distances, less the centroids' own squared lengths, into float32 [centroids or more, items]."""
    rows = out[: len(centroids)]
    np.matmul(-2 * centroids, vectors.T, out=rows)
    rows += lengths
