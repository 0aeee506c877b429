"""Residual k-means (RQ-KMeans): each level clusters what the levels before it left over.

The tokenizer of OneRec's technical report (arXiv 2506.13695).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from genrec_tokenizers.quantizers.residual import ClusteredQuantizer, nearest
from genrec_tokenizers.quantizers.start import lloyd, starting_centroids
from genrec_tokenizers.vectors import chunks


class ResidualKMeans(ClusteredQuantizer):
    """Plain residual k-means with faiss, on all items.

    Args:
        codebook_sizes: the number of codes of each level.
        iterations: rounds of k-means on each level.
        restarts: times k-means starts anew on each level; the codebook with the smallest error is kept.
        seed: of the starting centroids.
    """

    kind = "residual_kmeans"

    def __init__(
        self,
        codebook_sizes: tuple[int, ...] = (256, 256, 256),
        iterations: int = 25,
        restarts: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(codebook_sizes, iterations, seed)
        self.restarts = restarts

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().settings(), "restarts": self.restarts}

    def _fit_level(
        self, residual: npt.NDArray[np.float32], size: int, seed: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.integer]]:
        codebook = cluster(residual, size, self.iterations, seed, self.restarts)
        return codebook, np.concatenate([nearest(residual[part], codebook) for part in chunks(residual)])


def cluster(
    vectors: npt.NDArray[np.float32], size: int, iterations: int, seed: int, restarts: int = 1
) -> npt.NDArray[np.float32]:
    """Return ``size`` centroids of float32 [items, dim] by faiss's k-means on all items, float32 [size, dim]."""
    best, least = np.empty((0, vectors.shape[1]), dtype=np.float32), np.inf
    for restart in range(restarts):
        start = starting_centroids(vectors, size, seed + 1000 * restart)
        centroids, error = lloyd(vectors, start, iterations, seed)
        if error < least:
            best, least = centroids, error
    return best
