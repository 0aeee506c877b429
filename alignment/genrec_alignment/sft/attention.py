"""Attention of rows that lie one after another in one batch, none of which sees another.

The batch is one sequence of all rows' tokens, so that no product is spent on padding. Attention alone needs to know
the rows. The mask that transformers would make from the position ids is as large as the square of all tokens; here
rows of about equal length are attended to together, each group as a padded batch of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "genrec_rows"
_SPREAD = 1.25  # rows of a group are at most so many times as long as its shortest


def rows_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    row_groups: Sequence[Sequence[int]] = (),
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Return causal attention within each row, as one of transformers' attention functions.

    Args:
        module: the layer; not needed.
        query: float [1, heads, tokens, dim].
        key: float [1, key heads, tokens, dim].
        value: float [1, key heads, tokens, dim].
        attention_mask: none; the rows say who sees whom.
        scaling: of the scores.
        dropout: of the attention weights.
        row_groups: of each group the tokens of the prompt that its rows share (0: none) and then those of the rows,
            the longest first; see :class:`genrec_alignment.sft.batches.Batch`.

    Returns:
        float [1, tokens, heads, dim], and nothing in the place of the weights.
    """
    del module, attention_mask
    lengths = [length for group in row_groups for length in group]
    parts = [tensor.squeeze(0).transpose(0, 1).split(lengths) for tensor in (query, key, value)]
    outputs: list[torch.Tensor] = []
    at = 0
    with _kernel(query):
        for prefix, *rows in row_groups:
            heads = [part[at : at + 1] for part in parts]
            if prefix:
                outputs += _attend(heads, None, scaling, dropout)
            for span in similar(rows):
                own = [part[at + 1 + span.start : at + 1 + span.stop] for part in parts]
                outputs += _attend(own, heads if prefix else None, scaling, dropout)
            at += 1 + len(rows)
    return torch.cat(outputs).unsqueeze(0), None


def _attend(
    rows: Sequence[Sequence[torch.Tensor]],
    prompt: Sequence[Sequence[torch.Tensor]] | None,
    scaling: float | None,
    dropout: float,
) -> list[torch.Tensor]:
    """Return what each row attends to: itself up to each token, and before that the prompt.

    Args:
        rows: queries, keys and values of each row, [tokens, heads, dim].
        prompt: the same of the prompt that all of them continue, as a single row.
        scaling: of the scores.
        dropout: of the attention weights.
    """
    query, key, value = (_padded(each) for each in rows)
    mask = None
    if prompt is not None:
        count, longest, before = query.shape[0], query.shape[2], prompt[1][0].shape[0]
        key, value = (
            torch.cat([_padded(each).expand(count, -1, -1, -1), own], dim=2)
            for each, own in ((prompt[1], key), (prompt[2], value))
        )
        mask = query.new_ones(longest, before + longest, dtype=torch.bool).tril(before)
    attended = F.scaled_dot_product_attention(
        query, key, value, mask, is_causal=mask is None, scale=scaling, dropout_p=dropout, enable_gqa=True
    ).transpose(1, 2)
    return [row[: len(own)] for row, own in zip(attended, rows[0], strict=True)]


def _padded(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return rows [tokens, heads, dim] as [rows, heads, longest, dim]; the padding comes after what can see it."""
    return pad_sequence(list(rows), batch_first=True).transpose(1, 2)


def similar(lengths: Sequence[int]) -> list[slice]:
    """Return runs of about equal lengths, which are in descending order."""
    if not lengths:
        return []
    starts = [0]
    for at, length in enumerate(lengths):
        if length * _SPREAD < lengths[starts[-1]]:
            starts.append(at)
    return [slice(start, stop) for start, stop in itertools.pairwise([*starts, len(lengths)])]


@contextmanager
def _kernel(query: torch.Tensor) -> Iterator[None]:
    """On CPUs take the kernel that trains fastest in bfloat16: PyTorch's flash kernel is slower there."""
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    else:
        yield


@contextmanager
def attending_to_rows(model: PreTrainedModel) -> Iterator[None]:
    """Make a model attend by :func:`rows_attention`; it then needs ``row_groups`` with every call."""
    before = model.config._attn_implementation
    model.config._attn_implementation = NAME
    try:
        yield
    finally:
        model.config._attn_implementation = before


ALL_ATTENTION_FUNCTIONS.register(NAME, rows_attention)
