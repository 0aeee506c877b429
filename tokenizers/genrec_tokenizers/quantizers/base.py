"""What every quantizer offers, and the checks they share."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from genrec.errors import DataError

_SHOWN = 5


class Quantizer(Protocol):
    """Turns vectors into codes and back."""

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """The number of codes of each level."""
        ...

    def fit(self, embeddings: npt.NDArray[np.float32]) -> Self:
        """Learn the codebooks from float32 [items, dim]."""
        ...

    def encode(self, embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        """Return int32 [items, levels] of float32 [items, dim]."""
        ...

    def decode(self, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Return float32 [items, dim] of codes [items, levels or fewer]."""
        ...

    def save_pretrained(self, folder: Path) -> None:
        """Write everything that :meth:`from_pretrained` needs into ``folder``."""
        ...

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Read a quantizer from ``folder``."""
        ...


def check_vectors(embeddings: npt.NDArray[np.floating], dim: int | None = None) -> npt.NDArray[np.float32]:
    """Return embeddings [items, dim] as contiguous float32.

    Raises:
        DataError: if they are not a matrix, have another dimension than ``dim``, or hold NaN or infinity.
    """
    if embeddings.ndim != 2:
        raise DataError(f"Embeddings must be [items, dim], but have the shape {embeddings.shape}.")
    if dim is not None and embeddings.shape[1] != dim:
        raise DataError(
            f"The embeddings have {embeddings.shape[1]} dimensions, but the codebooks have {dim}.",
            "Encode items with the same encoders and weights as those the codebooks were made from.",
        )
    broken = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if len(broken):
        rows = ", ".join(map(str, broken[:_SHOWN])) + (", …" if len(broken) > _SHOWN else "")
        raise DataError(
            f"{len(broken):,} of {len(embeddings):,} embeddings hold NaN or infinity (rows {rows}).",
            "Look at what the encoder was given for these items.",
        )
    return np.ascontiguousarray(embeddings, dtype=np.float32)


def check_trainable(embeddings: npt.NDArray[np.float32], codes: int) -> None:
    """Refuse embeddings [items, dim] from which ``codes`` codes of one level cannot be learnt.

    Raises:
        DataError: if there are fewer items than codes, or all vectors are the same.
    """
    if len(embeddings) < codes:
        raise DataError(
            f"{len(embeddings):,} items cannot fill a codebook of {codes:,} codes.",
            f"Set tokenize.quantizer.codebook_size to at most {len(embeddings):,}; a tenth of it is a start.",
        )
    if (embeddings == embeddings[0]).all():
        raise DataError(
            f"All {len(embeddings):,} embeddings are the same vector, so nothing tells the items apart.",
            "Look at the text fields of the items, or give behaviour more weight.",
        )
