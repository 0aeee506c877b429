"""What quantizers with one codebook a level share: each level quantizes what the levels before it left over.

With r¹ = e: code sˡ = argmin_k ‖rˡ − cˡ_k‖² and rˡ⁺¹ = rˡ − cˡ_{sˡ}.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from genrec_tokenizers.quantizers.base import Quantizer, check_codes, check_vectors


class ResidualQuantizer(Quantizer):
    """Encodes by the nearest centroid level by level and decodes by the sum of the centroids.

    Attributes:
        codebooks: float32 [codes, dim] for each level, once fitted.
    """

    def __init__(self, codebook_sizes: tuple[int, ...], seed: int = 0) -> None:
        super().__init__(codebook_sizes, seed)
        self.codebooks: list[npt.NDArray[np.float32]] = []

    def encode(self, embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        """Return the nearest codes, level by level; see :meth:`Quantizer.encode`."""
        residual = check_vectors(embeddings, self.dim).copy()
        codes = np.empty((len(residual), self.levels), dtype=np.int32)
        for level, codebook in enumerate(self.codebooks):
            codes[:, level] = nearest(residual, codebook)
            residual -= codebook[codes[:, level]]
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


def nearest(vectors: npt.NDArray[np.float32], codebook: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return the row of ``codebook`` nearest to each of float32 [items, dim], int64; ties go to the first."""
    index = faiss.IndexFlatL2(codebook.shape[1])
    index.add(codebook)
    return index.search(vectors, 1)[1][:, 0]
