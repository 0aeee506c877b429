"""Prompts of different lengths as one left-padded batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

Prompts = Sequence[Sequence[int]] | tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class PromptBatch:
    """Left-padded prompts on the model's device.

    Args:
        input_ids: int64 [batch, length].
        mask: bool [batch, length], False on padding.
        lengths: int64 [batch], the number of real tokens.
        ragged: whether there is any padding at all.
    """

    input_ids: torch.Tensor
    mask: torch.Tensor
    lengths: torch.Tensor
    ragged: bool

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def positions(self) -> torch.Tensor:
        """The position of every token in its own prompt, int64 [batch, length]; 0 on padding."""
        return (self.mask.cumsum(dim=1) - 1).clamp_(min=0)


def batch_prompts(prompts: Prompts, device: torch.device, vocabulary_size: int, longest: int) -> PromptBatch:
    """Pad prompts on the left, or take over a pair of tensors that is padded so already.

    Args:
        prompts: token ids of each prompt, or ``(input_ids, attention_mask)``, each [batch, length].
        device: where the model is.
        vocabulary_size: token ids must be below it.
        longest: the number of tokens a prompt may have.

    Raises:
        ValueError: if a prompt is empty or too long, a token is unknown, or the padding is not on the left.
    """
    if isinstance(prompts, tuple) and len(prompts) == 2 and isinstance(prompts[0], torch.Tensor):
        input_ids, mask = _check_padded(prompts[0], prompts[1])
    else:
        input_ids, mask = _pad_left(prompts)
    lengths = mask.sum(dim=1)
    _check_tokens(input_ids, mask, lengths, vocabulary_size, longest)
    ragged = bool((lengths < input_ids.shape[1]).any())
    return PromptBatch(input_ids.to(device), mask.to(device), lengths.to(device), ragged)


def _pad_left(prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(prompt) for prompt in prompts], dtype=torch.int64)
    width = int(lengths.max()) if len(lengths) else 0
    mask = torch.arange(width) >= width - lengths[:, None]
    input_ids = torch.zeros(mask.shape, dtype=torch.int64)
    # Row by row, the True places of the mask are exactly the tokens one after another.
    input_ids[mask] = torch.tensor([int(token) for prompt in prompts for token in prompt], dtype=torch.int64)
    return input_ids, mask


def _check_padded(input_ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    if input_ids.ndim != 2 or input_ids.shape != mask.shape:
        raise ValueError(
            f"input_ids {tuple(input_ids.shape)} and attention_mask {tuple(mask.shape)} must be [batch, length]"
        )
    mask = mask.bool()
    if (mask[:, :-1] & ~mask[:, 1:]).any():
        raise ValueError("the prompts are padded on the right; pad them on the left (padding_side='left')")
    # What stands on the padding is never seen, but it has to be a token that the model can embed.
    return input_ids.long().masked_fill(~mask, 0), mask


def _check_tokens(
    input_ids: torch.Tensor, mask: torch.Tensor, lengths: torch.Tensor, vocabulary_size: int, longest: int
) -> None:
    empty = (lengths == 0).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f"prompts {empty[:5]} are empty; a prompt needs at least one token, such as <bos>")
    too_long = (lengths > longest).nonzero().flatten().tolist()
    if too_long:
        raise ValueError(
            f"prompts {too_long[:5]} have up to {int(lengths.max())} tokens, but the model has positions for"
            f" {longest} besides the item's; cut the history"
        )
    unknown = mask & ((input_ids < 0) | (input_ids >= vocabulary_size))
    if unknown.any():
        raise ValueError(
            f"token {int(input_ids[unknown][0])} is outside the model's vocabulary of {vocabulary_size}"
        )


def token_lists(prompts: Prompts) -> list[list[int]]:
    """Return prompts as lists of token ids, without the padding of tensors."""
    if isinstance(prompts, tuple) and isinstance(prompts[0], torch.Tensor):
        ids, mask = prompts
        return [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True)]
    return [[int(token) for token in prompt] for prompt in prompts]  # type: ignore[union-attr]
