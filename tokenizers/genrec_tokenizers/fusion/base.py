"""What every fusion offers: the sources' vectors of an item become one vector."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec.data.dataset import Dataset
from genrec.errors import DataError
from genrec_tokenizers.encoders.base import ItemVectors
from genrec_tokenizers.pretrained import Pretrained


class Fusion(Pretrained):
    """Makes one vector of what the sources say about an item, and does so again for items that come later.

    A subclass names its ``kind`` (as in ``tokenize.fusion.kind``), takes its settings as keyword arguments of the
    constructor, and defines :meth:`fit_transform`, :meth:`transform`, :meth:`settings`, :meth:`tensors` and
    ``_restore``.
    """

    what, config_file, tensors_file = "fusion", "fusion.json", "fusion.safetensors"

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
