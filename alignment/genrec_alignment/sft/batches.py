"""Blocks of packed rows as batches: rows sorted by length, and the places whose next token is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import torch

from genrec_alignment.tasks.packing import IGNORED


class Batch(TypedDict):
    """What a step reads.

    ``input_ids`` and ``position_ids`` int64 [1, tokens]; ``row_lengths`` of the rows, the longest first; ``places``
    int64 [learned], where the next token is learned, and ``targets`` int64 [learned], what that token is.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    row_lengths: list[int]
    places: torch.Tensor
    targets: torch.Tensor


def collate(blocks: Sequence[dict[str, Sequence[int]]]) -> Batch:
    """Return the batch of some blocks; see :func:`genrec_alignment.tasks.pack`."""
    ids, labels, positions = (
        np.concatenate([np.asarray(block[name], dtype=np.int64) for block in blocks])
        for name in ("input_ids", "labels", "position_ids")
    )
    starts = np.flatnonzero(positions == 0)
    lengths = np.diff(np.append(starts, len(ids)))
    order = np.argsort(-lengths, kind="stable")
    lengths = lengths[order]
    moved = _spans(starts[order], lengths)
    ids, labels, positions = ids[moved], labels[moved], positions[moved]
    # The first token of a row follows another row, and is not predicted from it.
    learned = np.flatnonzero((labels != IGNORED) & (positions > 0))
    return Batch(
        input_ids=torch.from_numpy(ids)[None],
        position_ids=torch.from_numpy(positions)[None],
        row_lengths=lengths.tolist(),
        places=torch.from_numpy(learned - 1),
        targets=torch.from_numpy(labels[learned]),
    )


def _spans(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the indices of the spans that begin at ``starts``, one span after another."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) - np.repeat(ends - lengths, lengths) + np.repeat(starts, lengths)
