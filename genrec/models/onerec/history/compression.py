"""KuaiFormer's compression of histories (arXiv:2411.10057): the older the events, the coarser.

Of 256 events the oldest 128 become 2 vectors of 64 events each, the next 80 become 5 vectors of 16, and the newest
48 stay as they are: 55 vectors. Groups are counted from the newest event, so that the coarse ones are the first
that a shorter history lacks; of the oldest group that it reaches it may fill only a part.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from genrec.models.onerec.attention import Rotary
from genrec.models.onerec.encoder import EncoderLayer
from genrec.models.onerec.history.places import take, to_the_left


class Compression(nn.Module):
    """Old events in groups, each the mean of what one bidirectional block makes of it.

    Groups of one size share their block; the paper leaves open whether others do too.

    Args:
        config: the model's configuration.
        hidden_size: width of the events.
        intermediate_size: width inside the blocks' feed-forward parts.
        heads: attention heads.
        groups: (groups, events in each), oldest first.
        raw: how many of the newest events stay as they are; what is older than all groups is left out.
    """

    def __init__(
        self,
        config: PretrainedConfig,
        hidden_size: int,
        intermediate_size: int,
        heads: int,
        groups: tuple[tuple[int, int], ...],
        raw: int,
    ) -> None:
        super().__init__()
        self.groups, self.raw = groups, raw
        self.rotary = Rotary(hidden_size // heads)
        self.blocks = nn.ModuleList(EncoderLayer(config, hidden_size, intermediate_size, heads) for _ in groups)

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return fewer vectors, oldest first and padded on the right, with their mask.

        Args:
            states: [batch, events, hidden].
            mask: bool [batch, events], False on padding, which is on the right.
        """
        if states.shape[1] <= self.raw:
            return states, mask
        counts = self._groups_reached(states.shape[1])
        span = self.raw + sum(count * size for count, (_, size) in zip(counts, self.groups, strict=True))
        # The newest event of every row to the last place: a group is then at the same place in all rows.
        places = mask.sum(dim=1, keepdim=True) - span + torch.arange(span, device=mask.device)
        states, mask = take(states, places), places >= 0
        start, parts = 0, []
        for count, (_, size), block in zip(counts, self.groups, self.blocks, strict=True):
            if count:
                part = slice(start, start + count * size)
                parts.append(self._means(block, states[:, part], mask[:, part], count))
                start = part.stop
        parts.append((states[:, start:], mask[:, start:]))
        vectors, real = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
        return to_the_left(vectors, real)

    def _groups_reached(self, width: int) -> list[int]:
        """Return how many groups of each kind the longest row reaches, oldest kind first."""
        left, counts = width - self.raw, []
        for count, size in reversed(self.groups):
            counts.append(max(0, min(count, -(-left // size))))
            left -= count * size
        return counts[::-1]

    def _means(self, block: nn.Module, states: Tensor, mask: Tensor, groups: int) -> tuple[Tensor, Tensor]:
        """Return each group's mean after a block, [batch, groups, hidden], and which groups have any event."""
        batch, size = len(states), states.shape[1] // groups
        states, mask = states.reshape(batch * groups, size, -1), mask.reshape(batch * groups, size)
        some = mask.any(dim=1, keepdim=True)
        rotary = self.rotary(torch.arange(size, device=mask.device)[None])
        states = block(states, rotary, (mask | ~some)[:, None, None])  # an empty group must see something
        means = (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        return means.view(batch, groups, -1), some.view(batch, groups)
