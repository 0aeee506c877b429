"""Items near an item: by the vectors that the semantic IDs were made from, else by how their IDs begin."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file

from genrec.errors import ArtifactError
from genrec.semantic_ids import Catalogue
from genrec.serving.deployment import Deployment

_FILE = "embeddings.safetensors"


class Near(NamedTuple):
    """An item near another.

    Args:
        item: ``item_index``.
        similarity: the cosine of the two vectors; None where one is not known.
        shared: how many codes their IDs begin with in common.
    """

    item: int
    similarity: float | None
    shared: int


class Neighbours:
    """Finds the items near an item.

    Args:
        item_ids: of the items whose vectors are known.
        vectors: float32 [items, dim]; of any length.
    """

    def __init__(self, item_ids: list[str], vectors: npt.NDArray[np.float32]) -> None:
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        self._vectors = vectors / np.maximum(lengths, 1e-12)
        self._item_ids = item_ids
        self._row_of = {item: row for row, item in enumerate(item_ids)}

    @classmethod
    def load(cls, folder: Path) -> Neighbours:
        """Read the vectors of a ``semantic_ids`` artefact; where there are none, IDs alone are compared.

        Raises:
            ArtifactError: if they cannot be read, or are not one an item.
        """
        if not (folder / _FILE).is_file():
            return cls([], np.zeros((0, 1), np.float32))
        item_ids = Catalogue.load(folder).item_ids
        try:
            vectors = load_file(folder / _FILE)["embeddings"]
        except (OSError, KeyError, SafetensorError) as error:
            raise ArtifactError(f"{folder / _FILE} cannot be read: {error}") from error
        if len(vectors) != len(item_ids):
            raise ArtifactError(f"{folder / _FILE} has {len(vectors)} vectors for {len(item_ids)} items.")
        return cls(item_ids, vectors.astype(np.float32))

    def __call__(self, deployment: Deployment, item: int, k: int) -> list[Near]:
        """Return the k items nearest to an item, those with vectors first, the nearest first.

        Args:
            deployment: whose items are compared.
            item: ``item_index``.
            k: how many at most.
        """
        catalogue = deployment.catalogue
        found = self._by_vector(deployment, catalogue.item_ids[item], k)
        codes = catalogue.codes
        near = [Near(row, round(float(cosine), 5), _shared(codes[row], codes[item])) for row, cosine in found]
        if len(near) < k:
            known = {item, *(one.item for one in near)}
            near += [one for one in _by_prefix(deployment, item) if one.item not in known][: k - len(near)]
        return near

    def _by_vector(self, deployment: Deployment, item_id: str, k: int) -> list[tuple[int, float]]:
        if item_id not in self._row_of:
            return []
        index = deployment.catalogue.index_of
        cosines = self._vectors @ self._vectors[self._row_of[item_id]]
        order = (row for row in np.argsort(-cosines, kind="stable").tolist() if self._item_ids[row] != item_id)
        found: list[tuple[int, float]] = []
        for row in order:
            if len(found) == k:
                break
            if self._item_ids[row] in index:  # items may have left since
                found.append((index[self._item_ids[row]], float(cosines[row])))
        return found


def _by_prefix(deployment: Deployment, item: int) -> list[Near]:
    """Return the items whose IDs begin like an item's, the longest common beginning first."""
    codes = deployment.catalogue.codes
    own = tuple(codes[item].tolist())
    near, known = [], {item}
    for length in range(len(own) - 1, 0, -1):
        for row in deployment.by_prefix.get(own[:length], []):
            if row not in known:
                known.add(row)
                near.append(Near(row, None, length))
    return near


def _shared(left: npt.NDArray[np.int32], right: npt.NDArray[np.int32]) -> int:
    return int(np.logical_and.accumulate(left == right).sum())
