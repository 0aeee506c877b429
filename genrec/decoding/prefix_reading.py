"""Reading a batch of prompts of which some begin like earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch.nn import functional

from genrec.decoding.prefix_cache import Beginning, PrefixCache, Prompt, States


class Part(NamedTuple):
    """Prompts that were read.

    Args:
        states: tensors [prompts, heads, keys, size], all that the model keeps of the positions.
        seen: bool [prompts, keys], False on padding; the others are a prompt's positions in their order.
        logits: float [prompts, 1, tokens], what follows each prompt; None where nothing does yet.
    """

    states: States
    seen: torch.Tensor
    logits: torch.Tensor | None = None


class Reader(Protocol):
    """Reads some prompts of a batch."""

    def whole(self, rows: Sequence[int]) -> Part:
        """Read prompts from their first position on."""
        ...

    def rest(self, rows: Sequence[int], start: States, known: torch.Tensor) -> Part:
        """Read what follows the known positions of prompts.

        Args:
            rows: which prompts.
            start: tensors [rows, heads, keys, size] of the known positions, padded on the left.
            known: bool [rows, keys], False on padding.
        """
        ...


def read(reader: Reader, prompts: Sequence[Prompt], cache: PrefixCache) -> Part:
    """Read a batch of prompts, as little of each as has to be, and keep what was computed.

    Args:
        reader: of this batch.
        prompts: what each position holds, to compare it with earlier ones.
        cache: of this model.
    """
    found = [cache.find(prompt) for prompt in prompts]
    known = [row for row, one in enumerate(found) if one.length]
    new = [row for row, one in enumerate(found) if not one.length]
    parts = [reader.whole(new)] if new else []
    if known:
        parts.append(reader.rest(known, *_stacked([found[row] for row in known])))
    part = parts[0] if len(parts) == 1 else _joined(parts, torch.tensor(new + known).argsort())
    for row, prompt in enumerate(prompts):
        # A copy: a view would hold on to the whole batch.
        cache.keep(prompt, tuple(tensor[row][:, part.seen[row]].clone() for tensor in part.states))
    return part


def _stacked(beginnings: Sequence[Beginning]) -> tuple[States, torch.Tensor]:
    """Return the known positions of several prompts, padded on the left, and which are real."""
    lengths = torch.tensor([one.length for one in beginnings])
    width = int(lengths.max())
    tensors = zip(*(one.states for one in beginnings), strict=True)
    states = tuple(
        torch.stack([_padded(tensor[:, :length], width) for tensor, length in zip(same, lengths, strict=True)])
        for same in tensors
    )
    return states, (torch.arange(width) >= width - lengths[:, None]).to(states[0].device)


def _joined(parts: Sequence[Part], order: torch.Tensor) -> Part:
    """Return parts as one, its prompts in another order."""
    width, order = max(part.seen.shape[1] for part in parts), order.to(parts[0].seen.device)
    tensors = zip(*(part.states for part in parts), strict=True)
    states = tuple(torch.cat([_padded(tensor, width) for tensor in same])[order] for same in tensors)
    seen = torch.cat([functional.pad(part.seen, (width - part.seen.shape[1], 0)) for part in parts])[order]
    logits = [part.logits for part in parts if part.logits is not None]
    return Part(states, seen, torch.cat(logits)[order] if logits else None)


def _padded(states: torch.Tensor, width: int) -> torch.Tensor:
    """Return states [..., keys, size] with so many keys, the new ones before the others."""
    return functional.pad(states, (0, 0, width - states.shape[-2], 0))
