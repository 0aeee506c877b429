"""Qwen3's forward pass with nothing around its operations.

In a decoder of two narrow layers the products are a small part of a pass; most of it is what transformers does
around them: modules that call modules, masks and rotary angles made anew, configurations looked up. Here are the
operations alone, over the model's own weights, so that a model that is trained further is searched as it is now.
The tests hold the two together.

Of the prompts' last layer only the last position is computed, since nobody reads the others; their keys and values
are taken before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from transformers.activations import SiLUActivation
from transformers.cache_utils import DynamicCache
from transformers.models.qwen3 import modeling_qwen3 as qwen3

from genrec.decoding.last_position import unhooked
from genrec.decoding.prompts import PromptBatch
from genrec.decoding.support import positions_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PARTS = {
    *(qwen3.Qwen3ForCausalLM, qwen3.Qwen3Model, qwen3.Qwen3DecoderLayer, qwen3.Qwen3Attention, qwen3.Qwen3MLP),
    *(qwen3.Qwen3RMSNorm, qwen3.Qwen3RotaryEmbedding, SiLUActivation, nn.SiLU),
    *(nn.Embedding, nn.Linear, nn.ModuleList),
}


class LeanQwen3:
    """Runs a model of Qwen3's shape; see :class:`~genrec.decoding.passes.Pass`.

    Args:
        model: one that :meth:`fits`.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model: Any = model
        self._angles = (torch.empty(0), torch.empty(0))

    @staticmethod
    def fits(model: PreTrainedModel) -> bool:
        """Say whether a model is Qwen3 and nothing more: no adapters, quantised weights, hooks or longer rotary."""
        return (
            type(model) is qwen3.Qwen3ForCausalLM
            and model.config._attn_implementation == "sdpa"
            and (model.config.rope_parameters or {}).get("rope_type") == "default"
            and all(type(part) in _PARTS and unhooked(part) for part in model.modules())
        )

    def prefill(self, batch: PromptBatch, cache: DynamicCache) -> torch.Tensor:
        """Run prompts; see :class:`~genrec.decoding.passes.Pass`."""
        mask = None
        if batch.ragged:
            square = batch.mask.new_ones(batch.mask.shape[1], batch.mask.shape[1])
            # Padding sees itself: without any key there would be nothing to divide by.
            mask = (batch.mask[:, None] & square.tril()) | square.diag().diag()
        return self._run(batch.input_ids, batch.positions, mask, cache, last=True)

    def extend(
        self, tokens: torch.Tensor, positions: torch.Tensor, seen: torch.Tensor, cache: DynamicCache
    ) -> torch.Tensor:
        """Run one token of every beam; see :class:`~genrec.decoding.passes.Pass`."""
        return self._run(tokens, positions, seen, cache, last=False)

    def _run(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        seen: torch.Tensor | None,
        cache: DynamicCache,
        last: bool,
    ) -> torch.Tensor:
        body = self._model.model
        states = functional.embedding(tokens, body.embed_tokens.weight)
        cos, sin = (table[positions][:, None] for table in self._tables(states))
        mask = None if seen is None else _additive(seen, states.dtype)
        for at, layer in enumerate(body.layers):
            only = slice(-1, None) if last and at + 1 == len(body.layers) else slice(None)
            states = _layer(layer, at, states, (cos, sin), mask, cache, only)
        return functional.linear(_norm(states, body.norm), self._model.lm_head.weight)

    def _tables(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cosines and signed sines of every position, [positions, head size] each, where the states are."""
        if (self._angles[0].dtype, self._angles[0].device) != (states.dtype, states.device) or not len(
            self._angles[0]
        ):
            places = torch.arange(positions_of(self._model), device=states.device)
            cos, sin = (one[0] for one in self._model.model.rotary_emb(states, places[None]))
            half = sin.shape[1] // 2
            self._angles = cos, torch.cat([-sin[:, :half], sin[:, half:]], dim=1)
        return self._angles


def _layer(
    layer: Any,
    at: int,
    states: torch.Tensor,
    angles: tuple[torch.Tensor, torch.Tensor],
    mask: torch.Tensor | None,
    cache: DynamicCache,
    only: slice,
) -> torch.Tensor:
    """Return the states after a layer at the positions ``only``, float [batch, positions, hidden]."""
    attention, (cos, sin) = layer.self_attn, angles
    entered = _norm(states, layer.input_layernorm)
    keys = _rotated(_norm(_heads(entered, attention.k_proj, attention), attention.k_norm), cos, sin)
    keys, values = cache.update(keys, _heads(entered, attention.v_proj, attention), at)
    asking, states = entered[:, only], states[:, only]
    queries = _norm(_heads(asking, attention.q_proj, attention), attention.q_norm)
    found = functional.scaled_dot_product_attention(
        _rotated(queries, cos[:, :, only], sin[:, :, only]),
        keys,
        values,
        attn_mask=None if mask is None else mask[:, :, only],
        is_causal=mask is None and only.start is None,  # the last position sees all the others
        enable_gqa=queries.shape[1] != keys.shape[1],
    )
    states = states + _linear(found.transpose(1, 2).flatten(2), attention.o_proj)
    entered, block = _norm(states, layer.post_attention_layernorm), layer.mlp
    gate = functional.silu(_linear(entered, block.gate_proj))
    return states + _linear(gate.mul_(_linear(entered, block.up_proj)), block.down_proj)


def _heads(states: torch.Tensor, matrix: nn.Linear, attention: Any) -> torch.Tensor:
    """Return queries, keys or values, float [batch, heads, positions, head size]."""
    return _linear(states, matrix).unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)


def _linear(states: torch.Tensor, matrix: nn.Linear) -> torch.Tensor:
    return functional.linear(states, matrix.weight, matrix.bias)


def _norm(states: torch.Tensor, norm: Any) -> torch.Tensor:
    return functional.rms_norm(states, norm.weight.shape, norm.weight, norm.variance_epsilon)


def _rotated(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Return queries or keys turned by their position; the first half's sines have their sign already."""
    return torch.addcmul(states * cos, states.roll(states.shape[-1] // 2, -1), sin)


def _additive(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return a mask to add to the scores, [batch, 1, queries, keys]; attention would make one in every layer."""
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, -torch.inf)[:, None]
