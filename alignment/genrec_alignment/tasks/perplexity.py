"""Perplexity on plain text: what a model still knows of language."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from genrec.models.language import Chat


def perplexity(model: PreTrainedModel, chat: Chat, texts: Iterable[str], length: int = 1024) -> float:
    """Return the perplexity of texts under a model.

    exp(−Σ log P(token | the tokens before it in its block) / number of tokens summed over)

    Each text, with the end of text after it, is cut into blocks of ``length`` tokens that are read alone; the first
    token of a block is not summed over. Every token counts the same, so a long text counts more than a short one.
    Probabilities are over the whole vocabulary, SID tokens with it.

    Args:
        model: a causal language model.
        chat: how it is talked to.
        texts: held-out plain text, such as ``plain_texts(held_out=True)``.
        length: tokens of a block, at most.

    Raises:
        ValueError: if no text has two tokens.
    """
    import torch

    training = model.training
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for text in texts:
            ids = torch.tensor(chat.text(text), device=model.device)
            for block in ids.split(length):
                if len(block) > 1:
                    logits = model(input_ids=block[None]).logits[0, :-1].float()
                    total += torch.nn.functional.cross_entropy(logits, block[1:], reduction="sum").item()
                    count += len(block) - 1
    model.train(training)
    if not count:
        raise ValueError("perplexity needs a text of two tokens or more")
    return math.exp(total / count)
