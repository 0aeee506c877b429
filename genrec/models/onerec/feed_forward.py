"""The feed-forward block of the OneRec family."""

from __future__ import annotations

from torch import Tensor, nn


class FeedForward(nn.Module):
    """SwiGLU (arXiv:2002.05202)."""

    def __init__(self, hidden_size: int, intermediate_size: int) -> None:
        super().__init__()
        self.gate = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.up = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.down = nn.Linear(intermediate_size, hidden_size, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """Return [..., hidden] for states of that shape."""
        return self.down(nn.functional.silu(self.gate(states)) * self.up(states))
