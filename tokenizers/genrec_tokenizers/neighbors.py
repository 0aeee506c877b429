"""QARM's VQ code (arXiv 2411.11739): the vectors of all items are the codebook, and an item's code is the row
numbers of those nearest to it.

These codes are features for a ranker, which learns an embedding for each; they are not spelt by a generator. The
paper takes 25. The notes at hand do not say which distance it uses, nor whether an item counts among its own
neighbours. Here the distance is Euclidean, as everywhere in this package (of vectors of length one it orders like
the cosine), and an item counts: catalogue items and later ones are treated alike, and the first code of a catalogue
item is its own number, unless another item has the same vector.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import faiss
import numpy as np
import numpy.typing as npt

from genrec.console import track
from genrec.errors import ArtifactError, DataError
from genrec_tokenizers.quantizers.base import check_trainable, check_vectors
from genrec_tokenizers.vectors import VectorWriter, chunks, open_vectors

TABLE_FILE, CONFIG_FILE = "neighbors.safetensors", "neighbors.json"
_QUERIES = 4096


class NeighborCodes:
    """Codes that name the nearest items of a frozen catalogue.

    The search is exact; its time grows with the items of the catalogue times those encoded.

    Args:
        count: of neighbours an item, K in the paper.
    """

    def __init__(self, count: int = 25) -> None:
        self.count = count
        self._table: npt.NDArray[np.float32] | None = None

    @property
    def table(self) -> npt.NDArray[np.float32]:
        """The catalogue's vectors, float32 [items, dim]; the row number is the ``item_index``."""
        if self._table is None:
            raise RuntimeError("the codes have no table: call fit() or from_pretrained() first")
        return self._table

    def fit(self, embeddings: npt.NDArray[np.float32]) -> Self:
        """Take float32 [items, dim] as the table; it is kept, not copied.

        Raises:
            DataError: if vectors are broken, all the same, or fewer than the neighbours wanted.
        """
        vectors = check_vectors(embeddings)
        if len(vectors) < self.count:
            raise DataError(
                f"{len(vectors):,} items do not have {self.count} nearest neighbours.",
                f"Ask for at most {len(vectors):,}.",
            )
        check_trainable(vectors, self.count)
        self._table = vectors
        return self

    def encode(self, embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        """Return the row numbers of the nearest vectors of the table, nearest first, int32 [items, count].

        Args:
            embeddings: float32 [items, dim], of catalogue items or others.

        Raises:
            DataError: if vectors are broken or of another dimension than the table.
        """
        vectors = check_vectors(embeddings, self.table.shape[1])
        codes = np.empty((len(vectors), self.count), dtype=np.int32)
        for part in track(list(chunks(vectors, _QUERIES)), "nearest items"):
            codes[part] = faiss.knn(vectors[part], self.table, self.count)[1]
        return codes

    def save_pretrained(self, folder: Path) -> None:
        """Write ``neighbors.safetensors``, the table, and ``neighbors.json`` into ``folder``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with VectorWriter(folder / TABLE_FILE, *self.table.shape) as writer:
            for part in chunks(self.table):
                writer.write(self.table[part])
        config = {"count": self.count, "items": self.table.shape[0], "dim": self.table.shape[1]}
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Read what :meth:`save_pretrained` wrote; the table is mapped, not read.

        Raises:
            ArtifactError: if a file is missing, broken, or does not fit the other.
        """
        codes = cls()
        try:
            config = json.loads((Path(folder) / CONFIG_FILE).read_text(encoding="utf-8"))
            codes.count, shape = int(config["count"]), (config["items"], config["dim"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{folder} holds no readable neighbour codes: {error}") from error
        codes._table = open_vectors(Path(folder) / TABLE_FILE)
        if codes._table.shape != shape:
            raise ArtifactError(f"{folder}: {TABLE_FILE} is {codes._table.shape}, {CONFIG_FILE} says {shape}.")
        return codes
