"""MiniOneRec's constrained residual k-means: sizes that differ by at most one item, at the least total cost.

Lloyd's two steps with another first one: items are assigned so that the sum of squared distances is the least
possible under the sizes (:mod:`genrec_tokenizers.quantizers.transport`), then each centroid becomes its items'
mean. No item is far from its centroid only because its turn came late, as in the greedy kind. The price is a cost
for every pair of an item and a code: 4 bytes × items × codes of memory beside the vectors; and every exchange
looks at all pairs of codes, so this kind is for up to a thousand codes or so a level.

Catalogue items keep this assignment; later items take the nearest centroid.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_tokenizers.quantizers.residual import ClusteredQuantizer
from genrec_tokenizers.quantizers.residual_kmeans import cluster
from genrec_tokenizers.quantizers.transport import COST_LIMIT, cheapest_labels
from genrec_tokenizers.vectors import chunks


class ConstrainedKMeans(ClusteredQuantizer):
    """Residual k-means with clusters of ⌊items/codes⌋ or ⌈items/codes⌉ items, assigned at the least total cost.

    Args:
        codebook_sizes: the number of codes of each level.
        iterations: rounds of plain k-means that find the first centroids of a level, and at most as many rounds
            with the sizes; a level ends earlier once no item moves.
        seed: of the starting centroids.
    """

    kind = "constrained_kmeans"

    def _fit_level(
        self, residual: npt.NDArray[np.float32], size: int, seed: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.integer]]:
        return constrain(residual, cluster(residual, size, self.iterations, seed), self.iterations)


def constrain(
    vectors: npt.NDArray[np.float32], centroids: npt.NDArray[np.float32], iterations: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Run constrained k-means from given centroids.

    Args:
        vectors: float32 [items, dim].
        centroids: float32 [clusters, dim], to start from.
        iterations: rounds at most.

    Returns:
        The clusters' means, float32 [clusters, dim], and the cluster of each item, int32 [items].
    """
    labels, prices = np.full(len(vectors), -1, dtype=np.int32), np.zeros(len(centroids), dtype=np.int64)
    lengths = np.einsum("ij,ij->i", vectors, vectors)
    # No centroid is longer than the longest vector, so no distance exceeds twice its length.
    scale = COST_LIMIT / max(4 * float(lengths.max()), 1e-30)
    costs = np.empty((len(vectors), len(centroids)), dtype=np.int32)
    for _ in range(iterations):
        before = labels
        _write_costs(vectors, lengths, centroids, scale, costs)
        labels, prices = cheapest_labels(costs, prices)
        if np.array_equal(labels, before):
            break
        centroids = _means(vectors, labels, len(centroids))
    return centroids, labels


def _write_costs(
    vectors: npt.NDArray[np.float32],
    lengths: npt.NDArray[np.float32],
    centroids: npt.NDArray[np.float32],
    scale: float,
    costs: npt.NDArray[np.int32],
) -> None:
    """Write the squared distances times ``scale`` into int32 [items, clusters]."""
    own = np.square(centroids).sum(axis=1)
    for part in chunks(vectors):
        distances = vectors[part] @ (-2 * centroids.T)
        distances += lengths[part, None]
        distances += own
        distances *= scale
        np.clip(distances, 0, COST_LIMIT, out=distances)  # rounding may leave the range
        costs[part] = distances


def _means(
    vectors: npt.NDArray[np.float32], labels: npt.NDArray[np.int32], clusters: int
) -> npt.NDArray[np.float32]:
    order, sizes = np.argsort(labels, kind="stable"), np.bincount(labels, minlength=clusters)
    return np.stack([vectors[members].mean(axis=0) for members in np.split(order, np.cumsum(sizes)[:-1])])
