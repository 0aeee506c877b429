"""What every encoder of items offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from genrec.data.dataset import Dataset


@dataclass(frozen=True)
class ItemVectors:
    """One source's view of all items, in the order of ``item_index``.

    Args:
        vectors: float32 [items, dim].
        known: bool [items]; False where the source says nothing about the item, whose row is then zero and
            must not be read as data.
    """

    vectors: npt.NDArray[np.float32]
    known: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.known.shape != self.vectors.shape[:1]:
            raise ValueError(f"got vectors {self.vectors.shape} and known {self.known.shape}")


class Encoder(Protocol):
    """Turns one source of knowledge about items into vectors."""

    name: str

    def fingerprint(self) -> str:
        """Return a digest of what the vectors depend on besides the dataset and the settings; may be empty."""
        ...

    def encode(self, dataset: Dataset) -> ItemVectors:
        """Return the vectors of all items of ``dataset``."""
        ...
