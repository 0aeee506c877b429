"""Blocks of packed rows as batches: a prompt that rows share is read once, logits only where tokens are learned.

Rows that begin with the same prompt, as all rows of a task with a fixed instruction do, share it: with causal
attention its vectors do not depend on what follows, so computing them once gives the same loss and gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import torch

from genrec_alignment.tasks.packing import IGNORED

Ints = npt.NDArray[np.int64]
SHORTEST_PREFIX = 4  # a shorter prompt is not worth a group of its own


class Batch(TypedDict):
    """What a step reads: one sequence of groups, each a shared prompt and the rests of its rows.

    ``input_ids`` and ``position_ids``: int64 [1, tokens].
    ``row_groups``: of each group the tokens of its prompt (0: none), then those of its rows, the longest first.
    ``places``, ``targets``: int64 [learned], where the next token is learned, and what it is.
    ``row_tokens``: the tokens of all rows with their prompts.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    row_groups: list[list[int]]
    places: torch.Tensor
    targets: torch.Tensor
    row_tokens: int


class _Row(NamedTuple):
    ids: Ints
    labels: Ints

    @property
    def prompt(self) -> int:
        """Tokens before the first that is learned."""
        learned = np.flatnonzero(self.labels[1:] != IGNORED)
        return 1 + int(learned[0]) if len(learned) else 0


def collate(blocks: Sequence[dict[str, Sequence[int]]]) -> Batch:
    """Return the batch of some blocks; see :func:`genrec_alignment.tasks.pack`."""
    ids, labels, positions = (
        np.concatenate([np.asarray(block[name], dtype=np.int64) for block in blocks])
        for name in ("input_ids", "labels", "position_ids")
    )
    cuts = np.flatnonzero(positions == 0)[1:]
    rows = [_Row(*parts) for parts in zip(np.split(ids, cuts), np.split(labels, cuts), strict=True)]
    tokens: list[Ints] = []
    places: list[Ints] = []
    groups: list[list[int]] = []
    at = 0
    for prefix, members in _groups(rows):
        members.sort(key=lambda row: -len(row.ids))
        groups.append([prefix, *(len(row.ids) - prefix for row in members)])
        shared = np.arange(at, at + prefix)
        tokens.append(members[0].ids[:prefix])
        at += prefix
        for row in members:
            own = np.arange(at, at + len(row.ids) - prefix)
            at += len(own)
            tokens.append(row.ids[prefix:])
            places.append(np.concatenate([shared, own])[_learned(row) - 1])
    return Batch(
        input_ids=torch.from_numpy(np.concatenate(tokens))[None],
        position_ids=torch.from_numpy(_positions(groups))[None],
        row_groups=groups,
        places=torch.from_numpy(np.concatenate(places)),
        targets=torch.from_numpy(np.concatenate([row.ids[_learned(row)] for row in _ordered(rows)])),
        row_tokens=len(ids),
    )


def _groups(rows: Sequence[_Row]) -> Iterator[tuple[int, list[_Row]]]:
    """Yield each prompt's length with its rows, those of several rows first; then, with 0, all rows alone."""
    same: dict[bytes, list[_Row]] = {}
    for row in rows:
        same.setdefault(row.ids[: row.prompt].tobytes(), []).append(row)
    shared = [members for members in same.values() if len(members) > 1 and members[0].prompt >= SHORTEST_PREFIX]
    for members in shared:
        yield members[0].prompt, members
    alone = [row for members in same.values() if not any(members is each for each in shared) for row in members]
    if alone:
        yield 0, alone


def _ordered(rows: Sequence[_Row]) -> list[_Row]:
    """Return the rows in the order in which the batch has them."""
    return [row for _, members in _groups(rows) for row in sorted(members, key=lambda row: -len(row.ids))]


def _learned(row: _Row) -> Ints:
    """Return the places of a row's learned tokens; its first one is never predicted."""
    return 1 + np.flatnonzero(row.labels[1:] != IGNORED)


def _positions(groups: Sequence[Sequence[int]]) -> Ints:
    parts = [
        part
        for prefix, *lengths in groups
        for part in (np.arange(prefix), *(np.arange(prefix, prefix + length) for length in lengths))
    ]
    return np.concatenate(parts)
