"""What every fusion offers: the sources' vectors of an item become one vector."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from genrec.data.dataset import Dataset
from genrec.errors import ArtifactError, DataError
from genrec_tokenizers.encoders.base import ItemVectors

TENSORS_FILE, CONFIG_FILE = "fusion.safetensors", "fusion.json"


class Fusion(ABC):
    """Makes one vector of what the sources say about an item, and does so again for items that come later.

    A subclass names its ``kind`` (as in ``tokenize.fusion.kind``), takes its settings as keyword arguments of the
    constructor, and defines :meth:`fit_transform`, :meth:`transform`, :meth:`settings`, :meth:`tensors` and
    ``_restore``.
    """

    kind: ClassVar[str]

    @abstractmethod
    def fit_transform(self, sources: Sequence[ItemVectors], dataset: Dataset) -> npt.NDArray[np.float32]:
        """Learn from all items of a dataset and return their vectors.

        Args:
            sources: each source's view of the items, always in the same order.
            dataset: where the sources come from; only its training part may be read.

        Returns:
            float32 [items, dim].
        """

    @abstractmethod
    def transform(self, sources: Sequence[ItemVectors]) -> npt.NDArray[np.float32]:
        """Return float32 [items, dim] of items that come later, with what was learnt frozen.

        Raises:
            DataError: if there are other sources, or sources of other dimensions, than those it was fitted on.
        """

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments that make an equal, unfitted fusion, as JSON values."""

    @abstractmethod
    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return what was learnt."""

    @abstractmethod
    def _restore(self, tensors: dict[str, npt.NDArray[Any]]) -> None:
        """Take back what :meth:`tensors` returned; KeyError or ValueError if it does not fit."""

    def save_pretrained(self, folder: Path) -> None:
        """Write ``fusion.safetensors`` and ``fusion.json`` into ``folder``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: np.ascontiguousarray(tensor) for name, tensor in self.tensors().items()}
        save_file(tensors, folder / TENSORS_FILE)
        config = {"kind": self.kind, **self.settings()}
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """Read a fusion of this kind written by :meth:`save_pretrained`.

        :func:`genrec_tokenizers.fusion.load_fusion` reads one of any kind.

        Raises:
            ArtifactError: if a file is missing, broken, does not fit the other, or is of another kind.
        """
        try:
            config = json.loads((Path(folder) / CONFIG_FILE).read_text(encoding="utf-8"))
            if (kind := config.pop("kind")) != cls.kind:
                raise ValueError(f"it is a {kind}")
            fusion = cls(**config)
            fusion._restore(load_file(Path(folder) / TENSORS_FILE))
        except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
            raise ArtifactError(f"{folder} holds no readable {cls.kind} fusion: {error}") from error
        return fusion


def check_sources(sources: Sequence[ItemVectors], dims: Sequence[int]) -> None:
    """Refuse sources of other dimensions than ``dims``.

    Raises:
        DataError: saying what was expected.
    """
    given = [source.vectors.shape[1] for source in sources]
    if given != list(dims):
        raise DataError(
            f"The sources have {given} dimensions, but these semantic IDs were made from {list(dims)}.",
            "Encode items with the same encoders as those the IDs were made with.",
        )
