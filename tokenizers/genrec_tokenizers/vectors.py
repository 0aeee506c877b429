"""Matrices of vectors larger than one wants in memory: mapped from safetensors files, and read chunk by chunk.

A page of a mapped file counts as resident memory from its first reading on, so a loop over the file ends with all
of it in memory; :func:`chunks` hands the pages back as it goes.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from genrec.errors import ArtifactError

CHUNK_BYTES = 24 * 2**20
_LENGTH_BYTES = 8  # a safetensors file begins with the length of its JSON header, little-endian


def open_vectors(file: Path, name: str = "embeddings") -> np.memmap:
    """Map a float32 matrix of a safetensors file into memory without reading it.

    Args:
        file: the safetensors file.
        name: the tensor's name in it.

    Returns:
        float32 [items, dim], read-only.

    Raises:
        ArtifactError: if the file is missing or broken, or holds no float32 matrix of that name.
    """
    file = Path(file)
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
            if length > file.stat().st_size:
                raise ValueError("its header is longer than the file")
            tensors = json.loads(stream.read(length))
        tensor = tensors[name]
        rows, dim = tensor["shape"]
        begin, end = tensor["data_offsets"]
        if tensor["dtype"] != "F32" or end - begin != rows * dim * 4:
            raise ValueError(f"{name!r} is {tensor['dtype']} {tensor['shape']}, not a float32 matrix")
        offset = _LENGTH_BYTES + length + begin
        return np.memmap(file, dtype="<f4", mode="r", offset=offset, shape=(rows, dim))
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = f"there is no tensor {error}" if isinstance(error, KeyError) else error
        raise ArtifactError(
            f"{file} holds no vectors that can be read as {name!r}: {reason}.", "Make the file again."
        ) from error


class VectorWriter:
    """Writes a float32 matrix into a safetensors file chunk by chunk; a context manager.

    The file appears under its name once all rows are written; until then, and after an error, only
    ``<file>.part`` is there.

    Args:
        file: where to write.
        rows: number of vectors that will be written.
        dim: dimensions of each.
        name: the tensor's name in the file.
    """

    def __init__(self, file: Path, rows: int, dim: int, name: str = "embeddings") -> None:
        self._file = Path(file)
        self._part = self._file.with_name(self._file.name + ".part")
        self._shape = (rows, dim)
        self._name = name
        self._written = 0

    def __enter__(self) -> Self:
        tensor = {"dtype": "F32", "shape": self._shape, "data_offsets": [0, math.prod(self._shape) * 4]}
        header = json.dumps({self._name: tensor}).encode()
        header += b" " * (-len(header) % _LENGTH_BYTES)  # safetensors aligns the data
        self._stream = self._part.open("wb")
        self._stream.write(len(header).to_bytes(_LENGTH_BYTES, "little") + header)
        return self

    def write(self, vectors: npt.NDArray[np.float32]) -> None:
        """Append vectors [rows, dim].

        Raises:
            ValueError: if they have another dimension, or are more than were announced.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self._shape[1]:
            raise ValueError(f"vectors of the shape {vectors.shape} for a file of {self._shape}")
        self._written += len(vectors)
        if self._written > self._shape[0]:
            raise ValueError(f"{self._written} vectors for a file of {self._shape[0]}")
        self._stream.write(np.ascontiguousarray(vectors, dtype="<f4").data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()
        if kind is not None:
            return
        if self._written != self._shape[0]:
            raise ValueError(f"only {self._written} of {self._shape[0]} vectors were written to {self._part}")
        self._part.replace(self._file)


def chunks(vectors: npt.NDArray[np.floating], rows: int | None = None) -> Iterator[slice]:
    """Yield slices that cover the rows of ``vectors`` in order, and let go of mapped pages behind each.

    Args:
        vectors: [items, dim], in memory or a memory map.
        rows: of each slice; by default as many as take :data:`CHUNK_BYTES`.
    """
    size = rows or max(1, CHUNK_BYTES // max(1, vectors.nbytes // max(1, len(vectors))))
    for start in range(0, len(vectors), size):
        yield slice(start, min(start + size, len(vectors)))
        release_pages(vectors)


def release_pages(vectors: npt.NDArray[np.floating]) -> None:
    """Let the system take back the pages of a memory map that were read; they are read again when needed."""
    base: object = vectors
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.mode == "c":
            return  # private changes live in these pages alone
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
