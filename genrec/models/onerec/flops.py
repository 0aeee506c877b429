"""Floating-point operations of one training example, as a formula.

Counted are the matrix products of blocks, attention, keys and values, routers and heads: a multiplication with its
addition as two operations, the backward pass as two forward passes. Embeddings, norms, softmax and rotary positions
are not products. tests/models/test_flops.py holds the formula against torch's own counter.

OneRec-V2 (arXiv:2508.20900) names 18.89 G for its lazy decoder at 1 B and 296.36 G for an encoder-decoder with as
many layers each way, 6.4 %, and not the length of the context. At 92 events the formula gives 19.23 G and 301.64 G,
6.4 %; at 85 to 100 events 6.9 to 5.9 %.
"""

from __future__ import annotations

from collections.abc import Sequence

from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig, MoEConfig
from genrec.models.onerec.presets import Shape

_TRAINING = 3  # forward, and twice as much backward


def training_flops(shape: Shape, codebook_sizes: Sequence[int], events: int, items: int = 1) -> int:
    """Return the operations of training on one history and what follows it.

    Args:
        shape: the model's settings; without compression or pathways.
        codebook_sizes: the codes of each level.
        events: events of the history; the sink is added.
        items: items of the target session.
    """
    context, tokens = 1 + events, items * (1 + len(codebook_sizes)) - 1
    if isinstance(shape, EncoderDecoderConfig):
        history, layers = _encoder(shape, context), shape.decoder_layers
    else:
        history, layers = _context_processor(shape, context), shape.layers
    decoder = sum(_decoder_layer(shape, layer, tokens, context) for layer in range(layers))
    heads = 2 * items * shape.hidden_size * sum(codebook_sizes)
    return _TRAINING * (history + decoder + heads)


def _encoder(shape: EncoderDecoderConfig, context: int) -> int:
    """The blocks over the history, and the keys and values of every decoder layer."""
    moe = shape.moe if shape.encoder_moe else None
    blocks = sum(
        _attention(shape, context, context, projections=4) + _feed_forward(shape, moe, layer, context)
        for layer in range(shape.encoder_layers)
    )
    return blocks + shape.decoder_layers * 2 * _product(context, shape.hidden_size, shape.hidden_size)


def _context_processor(shape: LazyDecoderConfig, context: int) -> int:
    """The blocks over the history, if any, and the one projection whose slices are the keys and values of all."""
    blocks = shape.context_layers * (
        _attention(shape, context, context, projections=4) + _feed_forward(shape, None, 0, context)
    )
    slices = (1 + shape.separate_values) * shape.key_value_layers * shape.key_value_heads
    return blocks + _product(context, shape.hidden_size, slices * (shape.hidden_size // shape.heads))


def _decoder_layer(shape: Shape, layer: int, tokens: int, context: int) -> int:
    """Self-attention, cross-attention to keys and values made before, and the feed-forward block."""
    return (
        _attention(shape, tokens, tokens, projections=4)
        + _attention(shape, tokens, context, projections=2)
        + _feed_forward(shape, shape.moe, layer, tokens)
    )


def _attention(shape: Shape, queries: int, keys: int, projections: int) -> int:
    """Square projections of the queries' states, scores and mixing; causal attention is computed whole."""
    return projections * _product(queries, shape.hidden_size, shape.hidden_size) + 2 * _product(
        queries, shape.hidden_size, keys
    )


def _feed_forward(shape: Shape, moe: MoEConfig | None, layer: int, tokens: int) -> int:
    """SwiGLU: three products; of experts those a token goes through, and the router."""
    width = shape.hidden_size
    if moe is None or layer < moe.dense_layers:
        return 3 * _product(tokens, width, shape.intermediate_size)
    taken = moe.active + moe.shared
    inner = moe.intermediate_size or max(1, shape.intermediate_size // taken)
    return 3 * taken * _product(tokens, width, inner) + _product(tokens, width, moe.experts)


def _product(rows: int, inner: int, columns: int) -> int:
    return 2 * rows * inner * columns
