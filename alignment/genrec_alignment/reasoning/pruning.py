"""Pruned histories: what of a history speaks for the item that came next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from genrec.errors import ArtifactError

Floats = npt.NDArray[np.float32]


def item_vectors(folder: Path, items: int) -> Floats:
    """Return the vectors that the run's semantic IDs were made of, float32 [items, dim], of length 1.

    Args:
        folder: the semantic IDs' artefact.
        items: how many there are.

    Raises:
        ArtifactError: if the folder holds no vectors, or those of other items.
    """
    file = folder / "embeddings.safetensors"
    remedy = f"Make them again: genrec tokenize --run {folder.parent}"
    if not file.is_file():
        raise ArtifactError(f"{folder} holds no vectors of the items, which tell what is similar.", remedy)
    vectors = load_file(file)["embeddings"].astype(np.float32)
    if len(vectors) != items:
        raise ArtifactError(f"{file} holds {len(vectors)} vectors for {items} items.", remedy)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def pruned(vectors: Floats, history: npt.NDArray[np.integer], target: int, k: int) -> npt.NDArray[np.int64]:
    """Return the k different items of a history most cosine-similar to a target (OneRec-Think, stage 2).

    Args:
        vectors: float32 [items, dim], of length 1.
        history: ``item_index`` of what came before, oldest first.
        target: ``item_index`` of what came next; where it came before, too, it is no reason for itself.
        k: how many; fewer where the history has no more.

    Returns:
        int64 [at most k], the most similar first; of equals the latest.
    """
    latest_first = np.asarray(history, dtype=np.int64)[::-1]
    different = latest_first[np.sort(np.unique(latest_first, return_index=True)[1])]
    different = different[different != target]
    order = np.argsort(-(vectors[different] @ vectors[target]), kind="stable")
    return different[order[:k]]
