"""Items scored as wholes, beside their codes.

A code is shared by many items, and so is the vector by which the decoder scores it. An item's own vector, compared
with what the encoder made of the newest event (as in SASRec), tells apart what codes cannot. The decoder does not
stand between: with the state from which it begins to write, the same head learned far less (docs/experiments.md).
That a generator gains by a second, dense score is LIGER's finding (arXiv:2411.18814), which ranks what was
generated; here the score guides every step of the search.
"""

from __future__ import annotations

from torch import Tensor, int64, nn, searchsorted, stack, zeros
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

_LOGITS_AT_ONCE = 1 << 26  # float32 scores held in memory at once: 256 MiB


class ItemHead(nn.Module):
    """Compares states with the vectors of items.

    Args:
        hidden_size: width of both.
        items: how many items are trained.
        levels: codes of an item.
    """

    codes: Tensor

    def __init__(self, hidden_size: int, items: int, levels: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden_size, hidden_size, bias=False)
        self.register_buffer("codes", zeros((items, levels), dtype=int64))

    def rows_of(self, codes: Tensor) -> Tensor:
        """Return the place of IDs int64 [..., levels] among the trained items, int64 [...].

        Raises:
            ValueError: if one is not there.
        """
        sizes = stack([self.codes.amax(dim=0), codes.flatten(0, -2).amax(dim=0)]).amax(dim=0) + 1
        worth = sizes.flip(0).cumprod(0).flip(0).roll(-1)  # of a code of each level: the IDs below it
        worth[-1] = 1
        known, order = (self.codes * worth).sum(dim=-1).sort()
        wanted = (codes * worth).sum(dim=-1)
        places = searchsorted(known, wanted).clamp_(max=len(known) - 1)
        if not bool((known[places] == wanted).all()):
            raise ValueError("an item head knows the items of its training, and there are others")
        return order[places]

    def forward(self, states: Tensor, vectors: Tensor) -> Tensor:
        """Return float32 [..., items], the scores of items [items, hidden] after states [..., hidden]."""
        return functional.linear(self.query(states), vectors).float()

    def loss(self, states: Tensor, vectors: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
        """Return the summed cross-entropy of targets int64 [states] among all items."""
        step = max(1, _LOGITS_AT_ONCE // len(vectors))
        pieces = zip(states.split(step), targets.split(step), strict=True)

        def piece(some: Tensor, goals: Tensor) -> Tensor:
            scores = self(some, vectors)
            return functional.cross_entropy(scores, goals, reduction="sum", label_smoothing=label_smoothing)

        if len(states) <= step:
            return piece(states, targets)
        sums = [checkpoint(piece, *one, use_reentrant=False) for one in pieces]
        return stack(sums).sum()
