"""Train the rows of the SID tokens without touching the others.

peft's layer copies the whole embedding at every call, writes the trained rows into the copy, and so makes PyTorch
compute the gradient of all rows. SID tokens lie in one range, so the frozen table is used as it is and the trained
rows beside it.
"""

from __future__ import annotations

from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from peft import PeftModel
from peft.tuners.trainable_tokens import TrainableTokensLayer
from torch import nn

from genrec.semantic_ids import SIDVocabulary


def learn_rows_alone(model: PeftModel, vocabulary: SIDVocabulary) -> None:
    """Let the token layers of an adapted model compute the rows of ``vocabulary`` apart from the others."""
    for layer in model.modules():
        if isinstance(layer, TrainableTokensLayer):
            forward = _read if isinstance(layer.base_layer, nn.Embedding) else _write
            bound = partial(forward, layer, vocabulary.first, vocabulary.size)
            layer.forward = bound  # type: ignore[method-assign]


def _rows(layer: TrainableTokensLayer) -> torch.Tensor:
    return layer.trainable_tokens_delta[layer.active_adapters[0]]


def _read(layer: TrainableTokensLayer, first: int, last: int, ids: torch.Tensor) -> torch.Tensor:
    """Return the vectors of tokens, [..., dim], from the trained rows where they are SID tokens."""
    known = layer.base_layer(ids)
    if layer.merged:
        return known
    ours = (ids >= first) & (ids < last)
    learned = F.embedding((ids - first).clamp(0, last - first - 1), _rows(layer)).to(known.dtype)
    scale = layer._get_embed_scale()
    return torch.where(ours[..., None], learned if scale is None else learned * scale.to(learned.dtype), known)


def _write(layer: TrainableTokensLayer, first: int, last: int, hidden: torch.Tensor) -> torch.Tensor:
    """Return the scores of all tokens, [..., vocabulary], those of SID tokens by the trained rows."""
    known = layer.base_layer(hidden)
    if layer.merged:
        return known
    bias = cast(nn.Linear, layer.base_layer).bias
    rows = _rows(layer)
    if not torch.is_autocast_enabled(hidden.device.type):
        rows = rows.to(hidden.dtype)
    learned = F.linear(hidden, rows, None if bias is None else bias[first:last])
    return torch.cat([known[..., :first], learned, known[..., last:]], dim=-1)
