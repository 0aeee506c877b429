"""Texts as vectors of a language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import torch

from genrec.console import track
from genrec_alignment.loid.adapters import Tokenized, padded

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    Language = PreTrainedModel | PeftModel

Floats = npt.NDArray[np.float32]
_BATCH_TOKENS = 2048


@torch.inference_mode()
def text_vectors(
    model: Language, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_tokens: int
) -> Floats:
    """Return the mean of the last layer's normalised states over a text's tokens, float32 [texts, width].

    Args:
        model: a causal language model of transformers, with or without a peft adapter.
        tokenizer: its tokenizer.
        texts: to be read; an empty one gets zeros.
        max_tokens: how much of a text is read.
    """
    body = _body(model).eval()
    rows = [
        row if text else [] for row, text in zip(Tokenized(texts, tokenizer, max_tokens).rows, texts, strict=True)
    ]
    vectors = np.zeros((len(rows), body.config.hidden_size), dtype=np.float32)
    for batch in track(list(_batches(rows)), "Reading texts"):
        inputs = padded([{"input_ids": rows[at]} for at in batch])
        mask = inputs["attention_mask"].to(body.device)
        states = body(input_ids=inputs["input_ids"].to(body.device), attention_mask=mask).last_hidden_state.float()
        means = (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        vectors[batch] = means.cpu().numpy()
    return vectors


def standardised(vectors: Floats) -> Floats:
    """Return vectors whose dimensions have mean 0 and deviation 1 over all rows that are not zero.

    Last states of language models share one large direction, beside which texts hardly differ; this removes it.
    Zero rows (no text) stay zero, which then is the mean.
    """
    known = np.any(vectors != 0, axis=1)
    if not known.any():
        return vectors
    mean, deviation = vectors[known].mean(axis=0), vectors[known].std(axis=0)
    scaled = (vectors - mean) / np.maximum(deviation, 1e-6)
    return np.where(known[:, None], scaled, 0).astype(np.float32)


def _body(model: Language) -> PreTrainedModel:
    """Return the blocks without the output matrix, which is of no use here."""
    whole = cast("PeftModel", model).get_base_model() if hasattr(model, "get_base_model") else model
    return cast("PreTrainedModel", whole.base_model)


def _batches(rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the places of rows of about equal length, the longest first, without the empty ones."""
    order = sorted((at for at in range(len(rows)) if rows[at]), key=lambda at: -len(rows[at]))
    while order:
        count = max(1, _BATCH_TOKENS // len(rows[order[0]]))
        yield order[:count]
        order = order[count:]
