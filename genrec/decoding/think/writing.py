"""Text written by a language model, for a batch of prompts: thoughts and rationales."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from genrec.decoding.prompts import batch_prompts
from genrec.decoding.support import positions_of, vocabulary_size_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_LOOK_BACK = 8  # tokens more than the mark has by itself: it may be cut into others beside other text


def write(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    *,
    tokens: int,
    temperature: float,
    seed: int,
    ends: Sequence[int],
    mark: str | None = None,
) -> list[list[int]]:
    """Return what the model writes after each prompt, without the token that ends it.

    transformers' ``generate``, with the settings below and nothing that the base model inherits.

    Args:
        model: a decoder-only language model.
        tokenizer: of the model.
        prompts: token ids of each.
        tokens: how many are written at most.
        temperature: 0 takes the likeliest token each time; above 0 samples from all tokens.
        seed: of the sampling. The batch is part of the draw: the same prompts in other batches get other texts.
        ends: ids that end a text.
        mark: text that ends it, too, and is kept.

    Raises:
        ValueError: if a prompt is unusable, or longer than the model's positions leave room for.
    """
    longest = positions_of(model) - tokens
    batch = batch_prompts(prompts, model.device, vocabulary_size_of(model), longest)
    how = GenerationConfig(
        max_new_tokens=tokens,
        do_sample=temperature > 0,
        temperature=temperature or None,
        top_k=0 if temperature else None,
        eos_token_id=list(ends),
        pad_token_id=ends[0],
    )
    marks = StoppingCriteriaList([] if mark is None else [MarkWritten(tokenizer, mark, batch.input_ids.shape[1])])
    with _seeded(seed, model.device), _own_settings(model), torch.no_grad():
        written = model.generate(  # type: ignore[operator]  # mypy takes it for a tensor
            batch.input_ids,
            attention_mask=batch.mask.long(),
            generation_config=how,
            stopping_criteria=marks,
        )
    texts = written[:, batch.input_ids.shape[1] :].tolist()
    return [_until(text, ends, tokenizer, mark) for text in texts]


class MarkWritten(StoppingCriteria):
    """Stops each text of a batch once a mark is in it, however the mark is cut into tokens.

    Args:
        tokenizer: reads the tokens.
        mark: the text to look for.
        start: how many tokens the prompts have; what stands in them does not count.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, mark: str, start: int) -> None:
        self._tokenizer, self._mark, self._start = tokenizer, mark, start
        self._tail = len(tokenizer(mark, add_special_tokens=False)["input_ids"]) + _LOOK_BACK

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: object) -> torch.Tensor:  # noqa: ARG002
        """Say for each text whether it has the mark, bool [batch]."""
        tails = input_ids[:, max(self._start, input_ids.shape[1] - self._tail) :]
        found = [self._mark in text for text in decode(self._tokenizer, tails.tolist())]
        return torch.tensor(found, device=input_ids.device)


def decode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[Sequence[int]]) -> list[str]:
    """Return token ids as text, SID tokens written out."""
    return [
        str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))
        for ids in texts
    ]


def _until(ids: list[int], ends: Sequence[int], tokenizer: PreTrainedTokenizerBase, mark: str | None) -> list[int]:
    """Return a text up to its end, or up to and with its mark."""
    ended = next((at for at, token in enumerate(ids) if token in ends), len(ids))
    ids = ids[:ended]
    if mark is None or mark not in decode(tokenizer, [ids])[0]:
        return ids
    while mark in decode(tokenizer, [ids[:-1]])[0]:
        ids = ids[:-1]
    return ids


@contextmanager
def _own_settings(model: PreTrainedModel) -> Iterator[None]:
    """Put the model's generation config aside, from which ``generate`` takes whatever it is not told."""
    inherited, model.generation_config = model.generation_config, GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = inherited


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch for a while; what comes after draws as if nothing had been drawn."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
