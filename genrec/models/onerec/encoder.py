"""Blocks over the history, and the keys and values that the decoder reads of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.cache_utils import Cache
from transformers.modeling_layers import GradientCheckpointingLayer

from genrec.models.onerec.attention import Rotary, SelfAttention, rotate, split_heads
from genrec.models.onerec.config import MoEConfig
from genrec.models.onerec.decoder import feed_forward, run_feed_forward
from genrec.models.onerec.dropout import Dropout


class Memory(NamedTuple):
    """A batch of histories, ready to be attended to: made once, shared by all beams of a prompt.

    keys: for each set a tensor [batch, key_value_heads, 1 + events, head_size], turned by their positions.
    values: likewise, not turned.
    mask: bool [batch, 1 + events], False on padding. The first is the sink, which is always there.
    states: [batch, 1 + events, hidden], what the keys and values were made of.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    mask: Tensor
    states: Tensor


class EncoderLayer(GradientCheckpointingLayer):
    """Self-attention and a feed-forward block, each added to its input (pre-norm, RMSNorm)."""

    def __init__(
        self,
        config: PretrainedConfig,
        hidden_size: int,
        intermediate_size: int,
        heads: int,
        layer: int = 0,
        moe: MoEConfig | None = None,
    ) -> None:
        super().__init__()
        self.attention = SelfAttention(config, hidden_size, heads, heads, layer)
        self.feed_forward = feed_forward(hidden_size, intermediate_size, moe, layer)
        self.attention_norm, self.feed_norm = nn.RMSNorm(hidden_size, eps=1e-6), nn.RMSNorm(hidden_size, eps=1e-6)
        self.dropout = Dropout(config.dropout)

    def forward(
        self,
        states: Tensor,
        rotary: tuple[Tensor, Tensor],
        mask: Tensor | None,
        real: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Return [batch, length, hidden] for states of that shape.

        Args:
            states: [batch, length, hidden].
            rotary: of the positions.
            mask: bool [batch, 1, 1 or length, keys], where to look; None for attention to the past only, which
                needs none, since padding stands on the right.
            real: bool [batch, length], False on padding, which goes through no sparse expert; None: all are real.
            cache: holds keys and values of the states before, and takes those of these.
        """
        seen = self.attention(self.attention_norm(states), rotary, mask, causal=mask is None, cache=cache)
        states = states + self.dropout(seen)
        return states + self.dropout(run_feed_forward(self.feed_forward, self.feed_norm(states), real))


class Encoder(nn.Module):
    """Blocks over the events of a history.

    Args:
        config: the model's configuration.
        hidden_size: width of the residual stream.
        intermediate_size: width inside the feed-forward blocks.
        heads: attention heads.
        layers: the number of blocks; may be 0.
        causal: whether events see older ones only.
        moe: sparse experts; None for dense blocks.
    """

    def __init__(
        self,
        config: PretrainedConfig,
        hidden_size: int,
        intermediate_size: int,
        heads: int,
        layers: int,
        causal: bool,
        moe: MoEConfig | None = None,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.rotary = Rotary(hidden_size // heads)
        self.layers = nn.ModuleList(
            EncoderLayer(config, hidden_size, intermediate_size, heads, layer, moe) for layer in range(layers)
        )
        self.norm = nn.RMSNorm(hidden_size, eps=1e-6)

    def forward(
        self,
        states: Tensor,
        mask: Tensor,
        positions: Tensor | None = None,
        seen: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Return normalised states [batch, length, hidden].

        Args:
            states: [batch, length, hidden].
            mask: bool [batch, length], False on padding.
            positions: int64 [batch, length]; None: they count from 0.
            seen: bool [batch, 1, length, keys], where to look; None: as ``causal`` says. Needed where the cache
                holds something.
            cache: holds keys and values of the states before, and takes those of these.
        """
        rotary = _key_positions(self.rotary, states, positions)
        if seen is None and not self.causal:
            seen = mask[:, None, None]
        for layer in self.layers:
            states = layer(states, rotary, seen, mask, cache)
        return self.norm(states)


class ProjectedMemory(nn.Module):
    """Keys and values of every decoder layer by projections of its own, as in T5.

    Args:
        hidden_size: width of the history's states.
        heads: attention heads.
        layers: the number of decoder layers.
    """

    def __init__(self, hidden_size: int, heads: int, layers: int) -> None:
        super().__init__()
        self.head_size = hidden_size // heads
        self.rotary = Rotary(self.head_size)
        self.key = nn.ModuleList(nn.Linear(hidden_size, hidden_size, bias=False) for _ in range(layers))
        self.value = nn.ModuleList(nn.Linear(hidden_size, hidden_size, bias=False) for _ in range(layers))

    def forward(self, states: Tensor, mask: Tensor, positions: Tensor | None = None) -> Memory:
        """Return the memory of states [batch, length, hidden]; mask and positions as for :class:`Encoder`."""
        rotary = _key_positions(self.rotary, states, positions)
        keys = tuple(rotate(split_heads(project(states), self.head_size), rotary) for project in self.key)
        values = tuple(split_heads(project(states), self.head_size) for project in self.value)
        return Memory(keys, values, mask, states)


class SharedMemory(nn.Module):
    """OneRec-V2's context processor: one projection, cut into the keys and values of all layers.

    The slices are k_l = RMSNorm(C_{l · S_kv}); with S_kv = 1 the values are the keys, before they are turned
    (arXiv:2508.20900). Whether the paper normalises values of their own (S_kv = 2) is not known; here they are not.

    Args:
        hidden_size: width of the history's states.
        head_size: width of a head.
        key_value_heads: G_kv.
        sets: L_kv.
        separate_values: S_kv = 2.
    """

    def __init__(
        self, hidden_size: int, head_size: int, key_value_heads: int, sets: int, separate_values: bool
    ) -> None:
        super().__init__()
        self.head_size, self.key_value_heads, self.separate_values = head_size, key_value_heads, separate_values
        width = key_value_heads * head_size
        self.project = nn.Linear(hidden_size, (1 + separate_values) * sets * width, bias=False)
        self.norms = nn.ModuleList(nn.RMSNorm(head_size, eps=1e-6) for _ in range(sets))
        self.rotary = Rotary(head_size)

    def forward(self, states: Tensor, mask: Tensor, positions: Tensor | None = None) -> Memory:
        """Return the memory of states [batch, length, hidden]; mask and positions as for :class:`Encoder`."""
        rotary = _key_positions(self.rotary, states, positions)
        slices = split_heads(self.project(states), self.head_size).split(self.key_value_heads, dim=1)
        step = 1 + self.separate_values
        # Autocast makes the slices half as wide as the norms' weights.
        plain = [norm(slices[step * at].to(norm.weight.dtype)) for at, norm in enumerate(self.norms)]
        values = [slices[step * at + 1] for at in range(len(plain))] if self.separate_values else plain
        return Memory(tuple(rotate(keys, rotary) for keys in plain), tuple(values), mask, states)


def _key_positions(rotary: Rotary, states: Tensor, positions: Tensor | None) -> tuple[Tensor, Tensor]:
    if positions is None:
        positions = torch.arange(states.shape[1], device=states.device)[None]
    cosine, sine = rotary(positions)
    return cosine, sine
