"""What every encoder of items offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.data.dataset import Dataset
from genrec_tokenizers.engine import Engine


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


class Encoder(ABC):
    """Turns one source of knowledge about items into vectors, for a dataset and for items that come later.

    Attributes:
        engine: who does the work of those encoders that can share it; this process if None.
    """

    name: ClassVar[str]
    engine: Engine | None = None

    def fingerprint(self) -> str:
        """Return a digest of what the vectors depend on besides the dataset and the settings; may be empty.

        It is the same before and after :meth:`encode`, so that it can tell whether an artefact is current.
        """
        return ""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimensions of the vectors; may load a model to find out."""

    @abstractmethod
    def encode(self, dataset: Dataset) -> ItemVectors:
        """Return the vectors of all items of ``dataset``. Of its interactions only the training part is read.

        Raises:
            DataError: if the source says nothing about any item.
        """

    @abstractmethod
    def encode_new(self, items: pl.DataFrame) -> ItemVectors:
        """Return the vectors of items that come later, which may all be unknown to the source.

        Args:
            items: the columns of the dataset's ``items.parquet``.
        """

    def save_pretrained(self, folder: Path) -> None:  # noqa: B027 - most encoders need not define it
        """Write what :meth:`encode` learnt, as safetensors; most encoders learn nothing."""

    def restore(self, folder: Path) -> None:  # noqa: B027
        """Take back what :meth:`save_pretrained` wrote, so that :meth:`encode_new` goes on as before.

        Raises:
            ArtifactError: if it is missing or broken.
        """


def unknown(items: int, dim: int) -> ItemVectors:
    """Return what a source says that knows none of ``items`` items."""
    return ItemVectors(np.zeros((items, dim), dtype=np.float32), np.zeros(items, dtype=bool))
