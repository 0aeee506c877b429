"""Attention with rotary positions, for history, decoder and the way between them.

The kernel is the one of ``attn_implementation`` (Hugging Face's registry of attention functions).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PretrainedConfig
from transformers.cache_utils import Cache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

_ROTARY_BASE = 10_000.0


class Rotary(nn.Module):
    """Cosines and sines of positions (RoFormer, arXiv:2104.09864), computed in float32."""

    def __init__(self, head_size: int) -> None:
        super().__init__()
        self.head_size = head_size

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return two tensors [batch, 1, length, head_size] for positions int64 [batch, length]."""
        # Made anew each time: a buffer would not survive loading on the meta device.
        exponent = torch.arange(0, self.head_size, 2, device=positions.device) / self.head_size
        angles = positions[:, None, :, None] * _ROTARY_BASE**-exponent
        angles = torch.cat([angles, angles], dim=-1)
        return angles.cos(), angles.sin()


def rotate(states: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Turn states [batch, heads, length, head_size] by their positions."""
    cosine, sine = (part.to(states.dtype) for part in rotary)
    first, second = states.chunk(2, dim=-1)
    return states * cosine + torch.cat([-second, first], dim=-1) * sine


class _Attention(nn.Module):
    """Queries, the kernel and the output projection; subclasses say where keys and values come from."""

    is_causal = False

    def __init__(self, config: PretrainedConfig, hidden_size: int, heads: int, key_value_heads: int) -> None:
        super().__init__()
        self.config = config
        self.heads, self.head_size = heads, hidden_size // heads
        self.num_key_value_groups = heads // key_value_heads  # the name transformers' kernels look for
        self.query = nn.Linear(hidden_size, hidden_size, bias=False)
        self.output = nn.Linear(hidden_size, hidden_size, bias=False)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        """Return [batch, queries, hidden]; ``mask`` is bool [batch, 1, queries, keys], True where one may look."""
        kernel = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        mixed, _ = kernel(
            self, queries, keys, values, mask, dropout=0.0, scaling=self.head_size**-0.5, is_causal=causal
        )
        return self.output(mixed.flatten(2))


class SelfAttention(_Attention):
    """Attention of a sequence to itself, or to itself and what a cache holds of it."""

    def __init__(
        self, config: PretrainedConfig, hidden_size: int, heads: int, key_value_heads: int, layer: int = 0
    ) -> None:
        super().__init__(config, hidden_size, heads, key_value_heads)
        self.layer = layer
        self.key = nn.Linear(hidden_size, key_value_heads * self.head_size, bias=False)
        self.value = nn.Linear(hidden_size, key_value_heads * self.head_size, bias=False)

    def forward(
        self,
        states: Tensor,
        rotary: tuple[Tensor, Tensor],
        mask: Tensor | None = None,
        causal: bool = False,
        cache: Cache | None = None,
    ) -> Tensor:
        """Return [batch, length, hidden] for states of that shape."""
        queries, keys, values = (
            split_heads(project(states), self.head_size) for project in (self.query, self.key, self.value)
        )
        queries, keys = rotate(queries, rotary), rotate(keys, rotary)
        if cache is not None:
            keys, values = cache.update(keys, values, self.layer)
        return self._attend(queries, keys, values, mask, causal)


class CrossAttention(_Attention):
    """Attention to keys and values that were made before, once for all queries (see :class:`KeysAndValues`)."""

    def forward(
        self, states: Tensor, keys: Tensor, values: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor
    ) -> Tensor:
        """Return [batch, queries, hidden] for states of that shape.

        Args:
            states: [batch, queries, hidden].
            keys: [batch, key_value_heads, events, head_size], turned by their positions.
            values: of the same shape.
            rotary: of the queries: where in the history each of them stands.
            mask: bool [batch, 1, queries, events].
        """
        queries = rotate(split_heads(self.query(states), self.head_size), rotary)
        return self._attend(queries, keys, values, mask, causal=False)


def split_heads(states: Tensor, head_size: int) -> Tensor:
    """Return [batch, heads, length, head_size] for [batch, length, heads · head_size]."""
    return states.unflatten(-1, (-1, head_size)).transpose(1, 2)


def eager_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    is_causal: bool = False,
    **_: object,
) -> tuple[Tensor, Tensor]:
    """Attention in plain matrix products, with the signature of transformers' kernels."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    scores = query @ key.transpose(-1, -2) * scaling
    if is_causal:
        length = scores.shape[-1]
        attention_mask = torch.ones(length, length, dtype=torch.bool, device=scores.device).tril()
    if attention_mask is not None:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    weights = functional.dropout(scores.softmax(dim=-1), dropout, module.training)
    return (weights @ value).transpose(1, 2), weights
