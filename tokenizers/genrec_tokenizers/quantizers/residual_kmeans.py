"""Residual k-means (RQ-KMeans): each level clusters what the levels before it left over.

The tokenizer of OneRec's technical report (arXiv 2506.13695) and, with balanced clusters, of OneRec
(arXiv 2502.18965, section 3.1): with r¹ = e, code sˡ = argmin_k ‖rˡ − cˡ_k‖² and rˡ⁺¹ = rˡ − cˡ_{sˡ}.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import faiss
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from genrec.errors import ArtifactError, DataError
from genrec_tokenizers.quantizers.base import check_trainable, check_vectors

CODEBOOKS_FILE, CONFIG_FILE = "codebooks.safetensors", "quantizer.json"


class ResidualKMeans:
    """Plain residual k-means with faiss.

    The same vectors, settings and seed give the same codebooks on the same machine and number of threads.

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
        self._codebook_sizes = tuple(codebook_sizes)
        self.iterations = iterations
        self.restarts = restarts
        self.seed = seed
        self.codebooks: list[npt.NDArray[np.float32]] = []

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """The number of codes of each level."""
        return self._codebook_sizes

    @property
    def dim(self) -> int:
        """The dimensions of the vectors it was fitted on."""
        if not self.codebooks:
            raise RuntimeError("the quantizer is not fitted: call fit() or from_pretrained() first")
        return self.codebooks[0].shape[1]

    def fit(self, embeddings: npt.NDArray[np.float32]) -> Self:
        """Learn one codebook a level from all of float32 [items, dim].

        Raises:
            DataError: if the vectors are broken, all the same, or fewer than the codes of a level.
        """
        residual = check_vectors(embeddings).copy()
        check_trainable(residual, max(self.codebook_sizes))
        self.codebooks = []
        for level, size in enumerate(self.codebook_sizes):
            codebook = self._cluster(residual, size, self.seed + level)
            residual -= codebook[_nearest(residual, codebook)]
            self.codebooks.append(codebook)
        return self

    def encode(self, embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        """Return the codes, int32 [items, levels], of float32 [items, dim].

        Raises:
            DataError: if the vectors are broken or of another dimension than the codebooks.
        """
        residual = check_vectors(embeddings, self.dim).copy()
        codes = np.empty((len(residual), len(self.codebooks)), dtype=np.int32)
        for level, codebook in enumerate(self.codebooks):
            codes[:, level] = _nearest(residual, codebook)
            residual -= codebook[codes[:, level]]
        return codes

    def decode(self, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Return the sum of the codes' centroids, float32 [items, dim].

        Args:
            codes: [items, levels]; fewer columns give the coarser vectors of the first levels.

        Raises:
            DataError: if there are more columns than levels, or a code lies outside its codebook.
        """
        if codes.ndim != 2 or codes.shape[1] > len(self.codebooks):
            raise DataError(f"Codes must be [items, at most {len(self.codebooks)}], but are {codes.shape}.")
        if ((codes < 0) | (codes >= np.asarray(self.codebook_sizes[: codes.shape[1]]))).any():
            raise DataError(f"A code lies outside its codebook; the codebooks have {self.codebook_sizes} codes.")
        vectors = np.zeros((len(codes), self.dim), dtype=np.float32)
        for column, codebook in zip(codes.T, self.codebooks, strict=False):
            vectors += codebook[column]
        return vectors

    def save_pretrained(self, folder: Path) -> None:
        """Write ``codebooks.safetensors`` (float32 [codes, dim] a level) and ``quantizer.json`` into ``folder``."""
        config = {
            "kind": self.kind,
            "dim": self.dim,
            "codebook_sizes": list(self.codebook_sizes),
            "iterations": self.iterations,
            "restarts": self.restarts,
            "seed": self.seed,
        }
        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {_name(level): codebook for level, codebook in enumerate(self.codebooks)}, folder / CODEBOOKS_FILE
        )
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Read a quantizer written by :meth:`save_pretrained`.

        Raises:
            ArtifactError: if a file is missing, broken, or does not fit the other.
        """
        try:
            config = json.loads((Path(folder) / CONFIG_FILE).read_text(encoding="utf-8"))
            sizes = tuple(config["codebook_sizes"])
            quantizer = cls(sizes, config["iterations"], config["restarts"], config["seed"])
            tensors = load_file(Path(folder) / CODEBOOKS_FILE)
            quantizer.codebooks = [tensors[_name(level)] for level in range(len(sizes))]
            shapes = [codebook.shape for codebook in quantizer.codebooks]
            if config["kind"] != cls.kind or shapes != [(size, config["dim"]) for size in sizes]:
                raise ValueError(f"{config['kind']} with codebooks {shapes}")
        except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
            raise ArtifactError(f"{folder} holds no readable {cls.kind} quantizer: {error}") from error
        return quantizer

    def _cluster(self, vectors: npt.NDArray[np.float32], size: int, seed: int) -> npt.NDArray[np.float32]:
        kmeans = faiss.Kmeans(
            vectors.shape[1],
            size,
            niter=self.iterations,
            nredo=self.restarts,
            seed=seed % 2**31,  # faiss takes a C int
            min_points_per_centroid=1,  # few items a code are normal here, not worth faiss's warning
            max_points_per_centroid=len(vectors),  # learn from all items, not from a sample
        )
        kmeans.train(vectors)
        return np.ascontiguousarray(kmeans.centroids, dtype=np.float32)


def _nearest(vectors: npt.NDArray[np.float32], codebook: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    index = faiss.IndexFlatL2(codebook.shape[1])
    index.add(codebook)
    return index.search(vectors, 1)[1][:, 0]


def _name(level: int) -> str:
    return f"level_{level + 1}"
