"""The decoder of the OneRec family: codes attend to the codes before them and to the history."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.cache_utils import Cache
from transformers.modeling_layers import GradientCheckpointingLayer

from genrec.models.onerec.attention import CrossAttention, SelfAttention
from genrec.models.onerec.config import MoEConfig
from genrec.models.onerec.dropout import Dropout
from genrec.models.onerec.feed_forward import FeedForward
from genrec.models.onerec.moe import SparseMoE


class CrossView(NamedTuple):
    """What the decoder's queries see of the history.

    keys: a tensor [batch, key_value_heads, 1 + events, head_size] for each set of keys and values.
    values: likewise.
    rotary: of the queries, see :class:`CrossAttention`.
    mask: bool [batch, 1, queries, 1 + events].
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    rotary: tuple[Tensor, Tensor]
    mask: Tensor


class SelfView(NamedTuple):
    """What the decoder's tokens see of each other.

    rotary: of the tokens within what is generated.
    mask: bool [batch, 1, tokens, past + tokens]; None for plain causal attention.
    cache: of the tokens before; None in training.
    tasks: how many sequences of tokens stand side by side in a row, each on its own.
    real: bool [batch, tasks · tokens], False on padding, which goes through no sparse expert; None: all are real.
    """

    rotary: tuple[Tensor, Tensor]
    mask: Tensor | None
    cache: Cache | None
    tasks: int
    real: Tensor | None = None


class DecoderLayer(GradientCheckpointingLayer):
    """Self-attention, cross-attention and a feed-forward block, each added to its input (pre-norm, RMSNorm).

    Args:
        config: the model's configuration.
        hidden_size: width of the residual stream.
        intermediate_size: width inside the feed-forward block.
        heads: attention heads.
        key_value_heads: groups of heads that share the history's keys and values; self-attention has none.
        layer: the position of the layer.
        memory_set: which set of keys and values of the history it reads.
        cross_first: whether the history is attended to before the codes (OneRec-V2) or after (OneRec).
        moe: sparse experts; None for a dense block.
    """

    def __init__(
        self,
        config: PretrainedConfig,
        *,
        hidden_size: int,
        intermediate_size: int,
        heads: int,
        key_value_heads: int,
        layer: int,
        memory_set: int,
        cross_first: bool,
        moe: MoEConfig | None,
    ) -> None:
        super().__init__()
        self.memory_set, self.cross_first = memory_set, cross_first
        self.self_attention = SelfAttention(config, hidden_size, heads, heads, layer)
        self.cross_attention = CrossAttention(config, hidden_size, heads, key_value_heads)
        self.feed_forward = feed_forward(hidden_size, intermediate_size, moe, layer)
        self.self_norm, self.cross_norm, self.feed_norm = (nn.RMSNorm(hidden_size, eps=1e-6) for _ in range(3))
        self.dropout = Dropout(config.dropout)

    def forward(self, states: Tensor, seen: SelfView, history: CrossView) -> Tensor:
        """Return [batch, tasks · tokens, hidden] for states of that shape."""
        if self.cross_first:
            states = self._look_around(self._look_back(states, history), seen)
        else:
            states = self._look_back(self._look_around(states, seen), history)
        return states + self.dropout(run_feed_forward(self.feed_forward, self.feed_norm(states), seen.real))

    def _look_back(self, states: Tensor, history: CrossView) -> Tensor:
        keys, values = history.keys[self.memory_set], history.values[self.memory_set]
        seen = self.cross_attention(self.cross_norm(states), keys, values, history.rotary, history.mask)
        return states + self.dropout(seen)

    def _look_around(self, states: Tensor, seen: SelfView) -> Tensor:
        # Tasks of a row do not see each other: each is a sequence of its own.
        apart = self.self_norm(states).unflatten(1, (seen.tasks, -1)).flatten(0, 1)
        mixed = self.self_attention(apart, seen.rotary, seen.mask, seen.mask is None, seen.cache)
        return states + self.dropout(mixed.view_as(states))


def feed_forward(hidden_size: int, intermediate_size: int, moe: MoEConfig | None, layer: int) -> nn.Module:
    """Return the feed-forward block of a layer: dense, or sparse where ``moe`` has experts for it."""
    if moe is None or layer < moe.dense_layers:
        return FeedForward(hidden_size, intermediate_size)
    inner = moe.intermediate_size or max(1, intermediate_size // (moe.active + moe.shared))
    return SparseMoE(hidden_size, inner, moe.experts, moe.active, moe.shared, moe.bias_update)


def run_feed_forward(block: nn.Module, states: Tensor, real: Tensor | None) -> Tensor:
    """Return the block's output; sparse experts see real tokens only, and count none but those."""
    return block(states) if isinstance(block, FeedForward) else block(states, real)
