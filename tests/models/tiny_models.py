"""Tiny models of the OneRec family with random weights, and what to feed them."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from genrec.models.histories import HistoryBatch
from genrec.models.onerec import OneRecBase, OneRecLazyModel, OneRecModel
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig, MoEConfig
from genrec.models.onerec.configuration import OneRecConfig, OneRecLazyConfig
from genrec.models.onerec.presets import Shape

SIZES = (5, 4, 6)
FEATURES = {"behavior": 3, "gap": 5}
ITEMS = 9
_MOE = MoEConfig(experts=4, active=2, intermediate_size=12)
_BASE = {"hidden_size": 16, "intermediate_size": 24, "heads": 4}

SHAPES: dict[str, Shape] = {
    "encoder_decoder": EncoderDecoderConfig(**_BASE),
    "causal": EncoderDecoderConfig(**_BASE, causal_encoder=True, tie_embeddings=True),
    "from_history": EncoderDecoderConfig(**_BASE, causal_encoder=True, starts_from_history=True),
    "experts": EncoderDecoderConfig(**_BASE, moe=_MOE, encoder_moe=True),
    "lazy": LazyDecoderConfig(**_BASE, layers=3),
    "lazy_everything": LazyDecoderConfig(
        **_BASE,
        layers=3,
        key_value_heads=2,
        key_value_layers=2,
        separate_values=True,
        context_layers=1,
        moe=_MOE.model_copy(update={"shared": 1, "dense_layers": 1}),
    ),
}


def tiny_model(name: str, items: int = 3, dropout: float = 0.0, seed: int = 0) -> OneRecBase:
    """A model of ``SHAPES`` for sessions of ``items``, in evaluation mode; weights large enough to matter."""
    torch.manual_seed(seed)
    shape = SHAPES[name]
    encoder_decoder = isinstance(shape, EncoderDecoderConfig)
    config = (OneRecConfig if encoder_decoder else OneRecLazyConfig)(
        codebook_sizes=list(SIZES),
        items=ITEMS,
        feature_names=list(FEATURES),
        feature_sizes=list(FEATURES.values()),
        session_length=items,
        shape=shape.model_dump(mode="json"),
        dropout=dropout,
        initializer_range=0.3,
    )
    return (OneRecModel if encoder_decoder else OneRecLazyModel)(config).eval()


def random_histories(lengths: list[int], seed: int = 0, width: int | None = None) -> HistoryBatch:
    """Histories of given lengths, right-padded to ``width`` events."""
    draw = torch.Generator().manual_seed(seed)
    size = (len(lengths), width or max(1, *lengths))
    mask = torch.arange(size[1]) < torch.tensor(lengths)[:, None]

    def codes_of(sizes: tuple[int, ...]) -> Tensor:
        values = [torch.randint(0, most, size, generator=draw) for most in sizes]
        return torch.stack(values, dim=-1) * mask[..., None]

    features = codes_of(tuple(FEATURES.values()))
    rows = torch.randint(0, 1 + ITEMS, size, generator=draw) * mask
    return HistoryBatch(codes_of(SIZES), rows, features, mask)


def random_sessions(batch: int, tasks: int, items: int, seed: int = 1) -> Tensor:
    """Target codes, int64 [batch, tasks, items, levels]."""
    draw = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(0, most, (batch, tasks, items), generator=draw) for most in SIZES], dim=-1)


def loss_of(
    model: OneRecBase, history: HistoryBatch, targets: Tensor, visible: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The loss and the losses of the levels."""
    out = model(history.codes, history.rows, history.features, history.mask, targets, visible)
    assert out.loss is not None
    assert out.level_losses is not None
    return out.loss, out.level_losses


def row_of(history: HistoryBatch, row: int, events: int) -> HistoryBatch:
    """One history of a batch, without padding."""
    parts = (history.codes, history.rows, history.features, history.mask)
    return HistoryBatch(*(part[row : row + 1, :events] for part in parts))


@torch.no_grad()
def step_by_step(model: OneRecBase, history: HistoryBatch, session: Tensor) -> Tensor:
    """Negative log-probabilities of one session's codes [items, levels], one token at a time."""
    memory, cache, position = model.encode(history), DynamicCache(), 0
    first = [1, 1 + SIZES[0], 1 + SIZES[0] + SIZES[1]]
    losses = torch.zeros(session.shape)
    for at, codes in enumerate(session.tolist()):
        tokens = [0, *(start + code for start, code in zip(first, codes, strict=True))]
        for level, token in enumerate(tokens):
            seen = torch.ones(1, 1, position + 1, dtype=torch.bool)
            ids, place = torch.tensor([[token]]), torch.tensor([[position]])
            states = model.decode(ids, place, seen, memory, cache)
            logits = model.logits(states, level % len(SIZES))
            if level < len(SIZES):
                losses[at, level] = -logits[0, 0].log_softmax(dim=-1)[codes[level]]
            position += 1
    return losses
