"""The endless stream of blocks that a stage reads: its mixture, packed, epoch after epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from typing import TYPE_CHECKING

from genrec.models.language import Chat
from genrec_alignment.tasks import Mixture, pack, stream_rows

if TYPE_CHECKING:
    import datasets

_SAMPLE, _FILL = 300, 0.97  # rows measured, and how full blocks usually are


@dataclass(frozen=True)
class Blocks:
    """Packed rows of a mixture. What an epoch holds depends on the seed and its number alone.

    Args:
        mixture: the tasks and their shares.
        chat: how the model is talked to.
        length: tokens of a block, at most.
        seed: of the blocks' order.
    """

    mixture: Mixture
    chat: Chat
    length: int
    seed: int

    @cached_property
    def tokens(self) -> int:
        """Tokens of an epoch, estimated from its first rows; a row longer than a block counts as a block."""
        sizes = [
            min(len(row["input_ids"]), self.length)
            for row in islice(stream_rows(self.mixture, self.chat, 0), _SAMPLE)
        ]
        return round(sum(sizes) / len(sizes) * len(self.mixture))

    def steps(self, epochs: float, blocks_a_step: int) -> int:
        """Return how many steps some epochs are, from the same estimate."""
        return max(1, math.ceil(epochs * self.tokens / (_FILL * self.length * blocks_a_step)))

    def stream(self) -> datasets.IterableDataset:
        """Return the blocks of epoch 0, then of epoch 1, and so on without an end."""
        import datasets

        return datasets.IterableDataset.from_generator(self._all)

    def _all(self) -> Iterator[dict[str, list[int]]]:
        for epoch in count():
            yield from pack(stream_rows(self.mixture, self.chat, epoch), self.length, self.seed + epoch)
