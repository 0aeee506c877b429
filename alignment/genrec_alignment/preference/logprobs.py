"""Log-probabilities of items and sessions under a policy, with gradients: what preference losses are made of.

They are the numbers that the tree search ranks by, computed in one forward pass: a history is read once, and all of
its candidates stand after it, each blind to the others. With an item head they are not normalised, as the search's
are not: what is missing depends on the history alone, and so not on the difference between two candidates, which is
all that DPO and most of its relatives look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genrec.decoding.item_scores import sharpened
from genrec.decoding.prompts import PromptBatch, Prompts, batch_prompts
from genrec.decoding.support import additive_masks, check_model, positions_of, vocabulary_size_of
from genrec.decoding.trie import Trie
from genrec.models.continuations import Continuations
from genrec.models.histories import Events, HistoryBatch
from genrec.models.history_model import IGNORED, HistoryModel
from genrec.models.onerec.base import OneRecBase

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from genrec.models import Generator


def log_probabilities(
    generator: Generator, histories: Sequence[npt.NDArray[np.integer] | Events], items: npt.NDArray[np.integer]
) -> Tensor:
    """Return log p of every item after its history and the items before it, float32 [requests, candidates, items].

    Sum over the last axis for sessions. Dropout acts as the model's mode says: call ``eval()`` for a reference.

    Args:
        generator: the policy, of any kind of model.
        histories: of each request: ``item_index`` values, oldest first, or events.
        items: int [requests, candidates, items], ``item_index``; -1 where a session has no more, which gives 0.

    Raises:
        ValueError: if there is not one history a request, or the model cannot take them.
    """
    if items.ndim != 3 or len(items) != len(histories):
        raise ValueError(f"items must be [{len(histories)} requests, candidates, items], not {items.shape}")
    prompts, model = generator.prompts(histories), generator.model
    if isinstance(prompts, HistoryBatch):
        codes = _with_gaps(generator.catalogue.codes, items, model.device)
        assert isinstance(model, HistoryModel)
        if model.over_catalogue and model.continuations is None:  # a saved model does not keep them
            trie = Trie.build(generator.catalogue.codes, generator.catalogue.codebook_sizes)
            model.continuations = Continuations(trie)
        return history_log_probabilities(model, prompts.to(model.device), codes)
    return causal_log_probabilities(model, prompts, _with_gaps(generator.tokens, items, model.device))


def history_log_probabilities(model: HistoryModel, histories: HistoryBatch, codes: Tensor) -> Tensor:
    """Return what :func:`log_probabilities` does, for a model of the OneRec family.

    Args:
        model: the policy.
        histories: on its device.
        codes: int64 [requests, candidates, items, levels]; -100 where there is no item.

    Raises:
        ValueError: if the model has an item head, and was not trained on one of the items.
    """
    memory = model.encode(histories)
    states = model.decode_targets(memory, codes, None)
    real = codes[..., 0] != IGNORED
    states, written = states[real], codes[real]
    levels = [
        _chosen(model.logits(states[:, level], level), written[:, level], legal)
        for level, legal in enumerate(model.competitors(written))
    ]
    total = torch.stack(levels).sum(dim=0)
    if isinstance(model, OneRecBase) and model.items is not None:
        owner = real.nonzero()[:, 0]
        total = total + _as_wholes(model, model.newest(memory)[:, 0], owner, written)
    return torch.zeros(real.shape, device=real.device).masked_scatter(real, total)


def _as_wholes(model: OneRecBase, states: Tensor, owner: Tensor, codes: Tensor) -> Tensor:
    """Return what an item head adds to the score of items, float32 [items].

    It is the figure of a leaf in :class:`genrec.decoding.item_scores.ItemScores`.

    Args:
        model: the policy.
        states: [requests, hidden], of each request's newest event.
        owner: int64 [items], the request of each item.
        codes: int64 [items, levels].
    """
    assert model.items is not None
    scores = sharpened(model.items, states, model.item_vectors())
    return scores[owner, model.items.rows_of(codes)]


def causal_log_probabilities(model: PreTrainedModel, prompts: Prompts, tokens: Tensor) -> Tensor:
    """Return what :func:`log_probabilities` does, for a causal language model.

    The softmax is over the whole vocabulary, as in the search.

    Args:
        model: the policy.
        prompts: the token ids of each request's history, or left-padded tensors.
        tokens: int64 [requests, candidates, items, levels], on the model's device; -100 where there is no item.

    Raises:
        ValueError: if the model takes no 4-D masks, or a prompt is empty, too long or holds an unknown token.
    """
    check_model(model)
    requests, candidates, items, levels = tokens.shape
    length, longest = items * levels, positions_of(model) - items * levels + 1
    batch = batch_prompts(prompts, model.device, vocabulary_size_of(model), longest)
    targets = tokens.view(requests, candidates, length)
    logits = model(**_side_by_side(model, batch, targets[..., :-1].clamp(min=0)), use_cache=False).logits
    # The end of the prompt predicts every candidate's first token; then each candidate has its own positions.
    first = logits[:, :1, None].expand(-1, candidates, 1, -1)
    own = logits[:, 1:].unflatten(1, (candidates, length - 1)) if length > 1 else first[:, :, :0]
    real = targets != IGNORED
    found = _chosen(torch.cat([first, own], dim=2), targets.clamp(min=0), None).masked_fill(~real, 0)
    return found.view(tokens.shape).sum(dim=-1)


def _side_by_side(model: PreTrainedModel, batch: PromptBatch, inputs: Tensor) -> dict[str, Tensor | int]:
    """Return the model's arguments for prompts with all their candidates after them, as one sequence each.

    Args:
        model: the policy.
        batch: the prompts, [requests, width].
        inputs: int64 [requests, candidates, length], the candidates without their last tokens.
    """
    _, candidates, length = inputs.shape
    after = batch.lengths[:, None, None] + torch.arange(length, device=inputs.device)
    positions = torch.cat([batch.positions, after.expand(-1, candidates, -1).flatten(1)], dim=1)
    mask = _mask(batch.mask, candidates, length)[:, None]
    if additive_masks(model):
        lowest = torch.finfo(model.dtype).min
        mask = torch.zeros_like(mask, dtype=model.dtype).masked_fill_(~mask, lowest)
    return {
        "input_ids": torch.cat([batch.input_ids, inputs.flatten(1)], dim=1),
        "position_ids": positions,
        "attention_mask": mask,
        "logits_to_keep": 1 + candidates * length,
    }


def _mask(prompts: Tensor, candidates: int, length: int) -> Tensor:
    """Return who sees whom, bool [requests, tokens, tokens]: everyone what came before, but no other candidate.

    Args:
        prompts: bool [requests, width], False on padding.
        candidates: of each request.
        length: tokens of each candidate.
    """
    width, device = prompts.shape[1], prompts.device
    # 0 is the prompt, which all see; 1, 2, … are the candidates.
    owner = torch.arange(1, candidates + 1, device=device).repeat_interleave(length)
    owner = torch.cat([torch.zeros(width, dtype=torch.int64, device=device), owner])
    seen = ((owner == 0) | (owner == owner[:, None])).tril()
    real = torch.cat([prompts, prompts.new_ones(len(prompts), candidates * length)], dim=1)
    # Padding sees itself: a softmax over nothing would be NaN, and so would all gradients.
    return (seen & real[:, None]) | torch.eye(len(owner), dtype=torch.bool, device=device)


def _chosen(logits: Tensor, targets: Tensor, legal: Tensor | None) -> Tensor:
    """Return the log-probability of targets [...] by logits [..., tokens], against all tokens or the legal ones."""
    logits = logits.float()
    chosen = logits.gather(-1, targets[..., None])[..., 0]
    total = (logits if legal is None else logits.masked_fill(~legal, -torch.inf)).logsumexp(dim=-1)
    return chosen - total


def _with_gaps(table: npt.NDArray[np.integer], items: npt.NDArray[np.integer], device: torch.device) -> Tensor:
    """Return the rows of a table [all items, levels] for items [...]; -100 where there is none."""
    rows = np.where(items[..., None] >= 0, table[items], IGNORED).astype(np.int64)
    return torch.from_numpy(rows).to(device)
