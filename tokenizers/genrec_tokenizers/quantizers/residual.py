"""What quantizers with one codebook a level share: each level quantizes what the levels before it left over.

With r¹ = e: code sˡ = argmin_k ‖rˡ − cˡ_k‖² and rˡ⁺¹ = rˡ − cˡ_{sˡ}.

Vectors are read chunk by chunk, so that a memory map of any size can be encoded, and fitting holds the residuals,
one copy of the vectors, and little else.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from genrec_tokenizers.quantizers.base import Quantizer, check_codes, check_trainable, check_vectors
from genrec_tokenizers.vectors import chunks

# Two distances whose difference is below this share of the vectors' squared length may come out of a float32
# matrix product in either order, depending on how many rows are multiplied at once.
_FLOAT32_TIE, _FLOAT64_TIE = 1e-5, 1e-12
_BLOCK_CELLS = 2**20  # distances at once: 4 MiB


class ResidualQuantizer(Quantizer):
    """Encodes by the nearest centroid level by level and decodes by the sum of the centroids.

    Attributes:
        codebooks: float32 [codes, dim] for each level, once fitted.
    """

    def __init__(self, codebook_sizes: tuple[int, ...], seed: int = 0) -> None:
        super().__init__(codebook_sizes, seed)
        self.codebooks: list[npt.NDArray[np.float32]] = []

    def encode(self, embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        """Return the nearest codes, level by level; see :meth:`Quantizer.encode`.

        An item's codes do not depend on the items it is encoded with.
        """
        vectors = check_vectors(embeddings, self.dim)
        codes = np.empty((len(vectors), self.levels), dtype=np.int32)
        for part in chunks(vectors):
            residual = np.array(vectors[part])
            for level, codebook in enumerate(self.codebooks):
                codes[part, level] = nearest(residual, codebook)
                residual -= codebook[codes[part, level]]
        return codes

    def decode(self, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Return the sum of the codes' centroids; see :meth:`Quantizer.decode`."""
        rows = check_codes(codes, self.codebook_sizes)
        vectors = np.zeros((len(rows), self.dim), dtype=np.float32)
        for column, codebook in zip(rows.T, self.codebooks, strict=False):
            vectors += codebook[column]
        return vectors

    def costs(
        self, embeddings: npt.NDArray[np.float32], prefix: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.float32]:
        """Return the squared distance of what the prefix leaves over to each centroid of the next level."""
        residual = check_vectors(embeddings, self.dim) - self.decode(prefix)
        return faiss.pairwise_distances(residual, self.codebooks[prefix.shape[1]])

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return the codebooks as ``level_1``, ``level_2``, …"""
        return {f"level_{level}": codebook for level, codebook in enumerate(self.codebooks, start=1)}

    def _restore(self, tensors: dict[str, npt.NDArray[Any]]) -> None:
        self.codebooks = [tensors[f"level_{level}"] for level in range(1, self.levels + 1)]
        shapes = [codebook.shape for codebook in self.codebooks]
        if shapes != [(size, self.dim) for size in self.codebook_sizes]:
            raise ValueError(f"codebooks of the shapes {shapes}")


class ClusteredQuantizer(ResidualQuantizer):
    """Fits each level by some kind of k-means on what the levels before it left over.

    Args:
        codebook_sizes: the number of codes of each level.
        iterations: rounds of k-means on each level.
        seed: of the starting centroids.
    """

    def __init__(
        self, codebook_sizes: tuple[int, ...] = (256, 256, 256), iterations: int = 25, seed: int = 0
    ) -> None:
        super().__init__(codebook_sizes, seed)
        self.iterations = iterations

    def fit_encode(
        self, embeddings: npt.NDArray[np.float32], collaborative: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.int32]:
        """Learn a codebook a level from all items, return the codes; see :meth:`Quantizer.fit_encode`."""
        del collaborative
        vectors = check_vectors(embeddings)
        check_trainable(vectors, max(self.codebook_sizes))
        self._dim = vectors.shape[1]
        self.codebooks = []
        residual = in_memory(vectors)
        codes = np.empty((len(residual), self.levels), dtype=np.int32)
        for level, size in enumerate(self.codebook_sizes):
            codebook, codes[:, level] = self._fit_level(residual, size, self.seed + level)
            for part in chunks(residual):
                residual[part] -= codebook[codes[part, level]]
            self.codebooks.append(codebook)
        return codes

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"codebook_sizes": list(self.codebook_sizes), "iterations": self.iterations, "seed": self.seed}

    @abstractmethod
    def _fit_level(
        self, residual: npt.NDArray[np.float32], size: int, seed: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.integer]]:
        """Return ``size`` centroids of float32 [items, dim] and the cluster of each item, [items]."""


def in_memory(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a copy of float32 [items, dim] in memory; of a memory map no page stays resident."""
    copy = np.empty(vectors.shape, dtype=np.float32)
    for part in chunks(vectors):
        copy[part] = vectors[part]
    return copy


def nearest(vectors: npt.NDArray[np.float32], codebook: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return the row of ``codebook`` nearest to each of float32 [items, dim], int64; ties go to the first.

    Where float32 cannot tell the two nearest apart, the choice is made in float64. So a vector has one answer,
    however many it is asked for together with and on however many threads.
    """
    lengths = np.square(codebook).sum(axis=1)
    factors = np.ascontiguousarray(-2 * codebook.T)
    codes = np.empty(len(vectors), dtype=np.int64)
    rows = max(1, _BLOCK_CELLS // len(codebook))
    for start in range(0, len(vectors), rows):
        block = vectors[start : start + rows]
        distances = block @ factors  # less the vectors' own squared lengths
        distances += lengths
        found = distances.argmin(axis=1)
        scale = np.einsum("ij,ij->i", block, block) + lengths.max()
        limits = distances[np.arange(len(block)), found] + _FLOAT32_TIE * scale
        close = np.flatnonzero(np.count_nonzero(distances <= limits[:, None], axis=1) > 1)
        if len(close):
            found[close] = _nearest_float64(block[close], codebook)
        codes[start : start + rows] = found
    return codes


def _nearest_float64(vectors: npt.NDArray[np.float32], codebook: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    points, centroids = vectors.astype(np.float64), codebook.astype(np.float64)
    lengths = np.square(centroids).sum(axis=1)
    distances = lengths - 2 * points @ centroids.T  # less the point's own squared length
    scale = np.einsum("ij,ij->i", points, points) + lengths.max()
    tied = distances <= (distances.min(axis=1) + _FLOAT64_TIE * scale)[:, None]
    return tied.argmax(axis=1)
