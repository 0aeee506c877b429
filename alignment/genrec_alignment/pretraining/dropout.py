"""Dropout for stock decoders."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel


def add_dropout(model: PreTrainedModel, rate: float) -> None:
    """Drop entries of the embeddings and of what every block adds, while the model is in training mode.

    Stock decoders have attention dropout at most, and small catalogues need more. Hooks keep the model's
    architecture, and so its checkpoint, stock.

    Args:
        model: a decoder of the Llama family (``model.layers`` with ``self_attn.o_proj`` and ``mlp.down_proj``).
        rate: the share of entries set to zero.
    """

    def drop(module: nn.Module, _: Any, output: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(output, rate, module.training)

    if rate == 0:
        return
    body = model.model
    body.embed_tokens.register_forward_hook(drop)
    for layer in body.layers:
        layer.self_attn.o_proj.register_forward_hook(drop)
        layer.mlp.down_proj.register_forward_hook(drop)
