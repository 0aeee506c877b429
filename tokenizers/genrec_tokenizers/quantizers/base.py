"""What every quantizer offers, and the checks they share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from genrec.errors import DataError
from genrec_tokenizers.pretrained import Pretrained
from genrec_tokenizers.vectors import chunks

_SHOWN = 5


class Quantizer(Pretrained):
    """Turns vectors into codes and back.

    A subclass names its ``kind`` (as in ``tokenize.quantizer.kind``), takes its settings as keyword arguments
    of the constructor, and defines :meth:`fit_encode`, :meth:`encode`, :meth:`decode`, :meth:`costs`,
    :meth:`settings`, :meth:`tensors` and ``_restore``. The same vectors, settings and seed give the same codes
    on the same machine and number of threads.

    Args:
        codebook_sizes: the number of codes of each level.
        seed: of every random choice.
    """

    what, config_file, tensors_file = "quantizer", "quantizer.json", "codebooks.safetensors"

    def __init__(self, codebook_sizes: tuple[int, ...], seed: int = 0) -> None:
        self.codebook_sizes = tuple(codebook_sizes)
        self.seed = seed
        self._dim: int | None = None

    @property
    def levels(self) -> int:
        """The number of codes of an item."""
        return len(self.codebook_sizes)

    @property
    def dim(self) -> int:
        """The dimensions of the vectors it was fitted on."""
        if self._dim is None:
            raise RuntimeError("the quantizer is not fitted: call fit() or from_pretrained() first")
        return self._dim

    def fit(
        self, embeddings: npt.NDArray[np.float32], collaborative: npt.NDArray[np.float32] | None = None
    ) -> Self:
        """Learn the codebooks; see :meth:`fit_encode`."""
        self.fit_encode(embeddings, collaborative)
        return self

    @abstractmethod
    def fit_encode(
        self, embeddings: npt.NDArray[np.float32], collaborative: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.int32]:
        """Learn the codebooks and return the codes that these items keep, int32 [items, levels].

        For most kinds these are the codes of :meth:`encode`; a balanced one gives its items the codes of the
        balanced assignment, and the nearest codes to items that come later.

        Args:
            embeddings: float32 [items, dim], in memory or a memory map, which is read in chunks.
            collaborative: float32 [items, any], what users do with the items; used by those kinds that have a
                term for it.

        Raises:
            DataError: if the vectors are broken, all the same, or fewer than the codes of a level.
        """

    @abstractmethod
    def encode(self, embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        """Return the codes, int32 [items, levels], of float32 [items, dim], with frozen codebooks.

        Raises:
            DataError: if the vectors are broken or of another dimension than the codebooks.
        """

    @abstractmethod
    def decode(self, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Return the vectors that codes stand for, float32 [items, dim].

        Args:
            codes: [items, levels or fewer]; fewer columns give the coarser vectors of the first levels.

        Raises:
            DataError: if there are more columns than levels, or a code lies outside its codebook.
        """

    def path(self, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Return the vectors that ever longer prefixes stand for, float32 [items, levels given, dim].

        For a residual kind, these are the steps from the coarsest vector to the finest.

        Args:
            codes: [items, levels or fewer].
        """
        steps = [self.decode(codes[:, : level + 1]) for level in range(codes.shape[1])]
        return np.stack(steps, axis=1)

    @abstractmethod
    def costs(
        self, embeddings: npt.NDArray[np.float32], prefix: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.float32]:
        """Return what each code of the level after a prefix would cost each item.

        The cost is the squared distance, in the space where the kind chooses its codes, between what the prefix
        leaves over of the item and the code.

        Args:
            embeddings: float32 [items, dim].
            prefix: [items, fewer than levels]; no columns ask for the first level.

        Returns:
            float32 [items, codes of that level].
        """

    def restore(self, tensors: dict[str, npt.NDArray[Any]], dim: int) -> Self:
        """Take back what :meth:`tensors` returned, for vectors of ``dim`` dimensions.

        Raises:
            KeyError: if a tensor is missing.
            ValueError: if one has another shape than the settings ask for.
        """
        self._dim = dim
        self._restore(tensors)
        return self

    def _config(self) -> dict[str, Any]:
        return {"dim": self.dim, **self.settings()}

    @classmethod
    def _from_config(cls, config: dict[str, Any]) -> Self:
        dim, sizes = config.pop("dim"), tuple(config.pop("codebook_sizes"))
        quantizer = cls(codebook_sizes=sizes, **config)
        quantizer._dim = dim
        return quantizer


def check_vectors(embeddings: npt.NDArray[np.floating], dim: int | None = None) -> npt.NDArray[np.float32]:
    """Return embeddings [items, dim] as contiguous float32; float32 ones are not copied, a memory map stays one.

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
    finite = np.ones(len(embeddings), dtype=bool)
    for part in chunks(embeddings):
        finite[part] = np.isfinite(embeddings[part]).all(axis=1)
    broken = np.flatnonzero(~finite)
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
    if all((embeddings[part] == embeddings[0]).all() for part in chunks(embeddings)):
        raise DataError(
            f"All {len(embeddings):,} embeddings are the same vector, so nothing tells the items apart.",
            "Look at the text fields of the items, or give behaviour more weight.",
        )


def check_codes(codes: npt.NDArray[np.integer], codebook_sizes: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return codes [items, levels or fewer] as int64.

    Raises:
        DataError: if there are more columns than levels, or a code lies outside its codebook.
    """
    if codes.ndim != 2 or codes.shape[1] > len(codebook_sizes):
        raise DataError(f"Codes must be [items, at most {len(codebook_sizes)}], but are {codes.shape}.")
    if ((codes < 0) | (codes >= np.asarray(codebook_sizes[: codes.shape[1]]))).any():
        raise DataError(f"A code lies outside its codebook; the codebooks have {codebook_sizes} codes.")
    return codes.astype(np.int64)
