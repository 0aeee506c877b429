"""Tree-attention beam search: the best items of a catalogue under a decoder-only language model.

The prompt is prefilled once. At each further level the beams of a prompt are W query tokens of one sequence:
a 4-D mask lets each see the prompt, its own ancestors and itself, and all of a level share one position id.
So nothing in the key-value cache is repeated or reordered, and a level is one forward pass over W tokens.

Scores follow Hugging Face's beam search: a log-softmax over the full vocabulary, then the mask, summed over
the levels with no length penalty. The ranking is the one that ``generate`` returns with the same number of
beams and ``prefix_allowed_tokens_fn``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from transformers.cache_utils import DynamicCache

from genrec.decoding.exclusion import dead_nodes
from genrec.decoding.last_position import last_position_only, prepare
from genrec.decoding.prompts import PromptBatch, Prompts, batch_prompts
from genrec.decoding.ranking import Ranking
from genrec.decoding.support import additive_masks, check_model, positions_of, vocabulary_size_of
from genrec.decoding.trie import Trie
from genrec.decoding.trie_tables import DeadTable, LevelTable, dead_tables, level_tables

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class _Beams(NamedTuple):
    """The hypotheses of a batch, best first.

    scores: float32 [batch, width], -inf where there is none.
    nodes: int64 [batch, width], the trie node of the level; the number of nodes where there is none.
    origin: int64 [batch, width], the index of each one's parent among the beams before.
    """

    scores: torch.Tensor
    nodes: torch.Tensor
    origin: torch.Tensor


class TreeBeamSearch:
    """Finds the best items for a batch of prompts.

    Args:
        model: a Hugging Face decoder-only causal language model, on any device and in any dtype.
        trie: the catalogue.
        level_offsets: int [levels], the token id of code 0 of each level, as ``SIDVocabulary.offsets``.

    Raises:
        ValueError: if the model cannot be searched in this way (see :func:`~genrec.decoding.support.check_model`),
            or its vocabulary does not hold all SID tokens.

    Example:
        >>> search = TreeBeamSearch(model, trie, vocabulary.offsets)  # doctest: +SKIP
        >>> items, scores = search([[1, 20, 300, 4000]], beams=20)  # doctest: +SKIP
    """

    def __init__(self, model: PreTrainedModel, trie: Trie, level_offsets: Sequence[int] | npt.NDArray) -> None:
        check_model(model)
        prepare(model)
        self.model = model
        self.trie = trie
        self.level_offsets = [int(offset) for offset in level_offsets]
        if len(self.level_offsets) != len(trie.levels):
            raise ValueError(f"{len(trie.levels)} levels need as many offsets, not {len(self.level_offsets)}")
        last = max(map(sum, zip(self.level_offsets, trie.codebook_sizes, strict=True)))
        if min(self.level_offsets) < 0 or last > vocabulary_size_of(model):
            raise ValueError(
                f"the SID tokens reach up to {last - 1}, but the model's vocabulary has {vocabulary_size_of(model)}"
            )
        self._tables: dict[torch.device, list[LevelTable]] = {}

    def __call__(
        self,
        prompts: Prompts,
        beams: int = 20,
        exclude: Sequence[npt.ArrayLike] | None = None,
        k: int | None = None,
    ) -> Ranking:
        """Return the best items of each prompt.

        Args:
            prompts: the token ids of each prompt, or left-padded tensors ``(input_ids, attention_mask)``.
            beams: the number of hypotheses kept at each level.
            exclude: for each prompt the ``item_index`` values it must not be given. They are left out inside the
                search: the result is that of a catalogue without them.
            k: how many items to return, at most ``beams``; the default is ``beams``.

        Returns:
            Items int64 [prompts, k], -1 where a prompt has fewer; scores float32 [prompts, k], log-probabilities.

        Raises:
            ValueError: if a prompt is empty, too long or holds an unknown token, or an argument does not fit.
        """
        k = beams if k is None else k
        if not 1 <= k <= beams:
            raise ValueError(f"k must be between 1 and the number of beams, {beams}; it is {k}")
        if exclude is not None and len(exclude) != _count(prompts):
            raise ValueError(f"exclude has {len(exclude)} entries for {_count(prompts)} prompts")
        if not _count(prompts):
            return Ranking(np.empty((0, k), dtype=np.int64), np.empty((0, k), dtype=np.float32))
        longest = positions_of(self.model) - len(self.level_offsets) + 1
        batch = batch_prompts(prompts, self.model.device, vocabulary_size_of(self.model), longest)
        with torch.no_grad(), _evaluating(self.model):
            return self._ranking(self._search(batch, beams, exclude), k)

    def _search(self, batch: PromptBatch, beams: int, exclude: Sequence[npt.ArrayLike] | None) -> _Beams:
        tables = self._tables_on(batch.input_ids.device)
        dead = dead_tables(dead_nodes(self.trie, exclude), tables) if exclude is not None else [None] * len(tables)
        cache = DynamicCache(config=self.model.config)
        logits = self._prefill(batch, cache)
        found = _root(batch)
        seen = batch.mask[:, None, :]
        for level, (table, gone) in enumerate(zip(tables, dead, strict=True)):
            found = _extend(found, logits, table, gone, self.level_offsets[level], beams)
            if level + 1 < len(tables):
                seen = _see(seen, found.origin)
                tokens = table.codes[found.nodes] + self.level_offsets[level]
                logits = self._step(tokens, batch.lengths + level, seen, cache)
        return found

    def _prefill(self, batch: PromptBatch, cache: DynamicCache) -> torch.Tensor:
        """Fill the cache with the prompts; return the logits after each, [batch, 1, vocabulary]."""
        # Without padding the models use their plain causal attention, which is faster than a mask.
        padded = {"attention_mask": batch.mask.long()} if batch.ragged else {}
        with last_position_only():
            return self.model(
                input_ids=batch.input_ids,
                position_ids=batch.positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
                **padded,
            ).logits

    def _step(
        self, tokens: torch.Tensor, positions: torch.Tensor, seen: torch.Tensor, cache: DynamicCache
    ) -> torch.Tensor:
        """Run one level's beams; return the logits after each, [batch, width, vocabulary]."""
        mask = seen[:, None]
        if additive_masks(self.model):
            mask = torch.zeros_like(mask, dtype=self.model.dtype).masked_fill_(
                ~mask, torch.finfo(self.model.dtype).min
            )
        return self.model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions[:, None].expand_as(tokens),
            past_key_values=cache,
            use_cache=True,
        ).logits

    def _tables_on(self, device: torch.device) -> list[LevelTable]:
        if device not in self._tables:
            self._tables = {device: level_tables(self.trie, device)}
        return self._tables[device]

    def _ranking(self, found: _Beams, k: int) -> Ranking:
        scores = found.scores[:, :k].cpu().numpy()
        leaves = found.nodes[:, :k].cpu().numpy()
        items = np.full((len(scores), k), -1, dtype=np.int64)
        ranked = np.full((len(scores), k), -np.inf, dtype=np.float32)
        real = np.isfinite(scores)
        items[:, : leaves.shape[1]][real] = self.trie.items[leaves[real]]
        ranked[:, : leaves.shape[1]][real] = scores[real]
        return Ranking(items, ranked)


def _root(batch: PromptBatch) -> _Beams:
    zeros = torch.zeros((len(batch), 1), dtype=torch.int64, device=batch.input_ids.device)
    return _Beams(zeros.float(), zeros, zeros)


def _extend(
    beams: _Beams, logits: torch.Tensor, table: LevelTable, dead: DeadTable | None, offset: int, limit: int
) -> _Beams:
    """Return the best ``limit`` children of all beams of each prompt.

    The candidates of a beam are its node's children and nothing else, so that the work is O(width · codebook),
    however large the catalogue. A level that cannot fill ``limit`` beams returns as many as it can.
    """
    batch, width = beams.nodes.shape
    first, last = table.children_of[beams.nodes], table.children_of[beams.nodes + 1]
    nodes = first[..., None] + table.ranks
    legal = nodes < last[..., None]
    logits = logits.float()
    tokens = table.codes[nodes.clamp_(max=table.size)] + offset
    scores = logits.gather(2, tokens) + (beams.scores - logits.logsumexp(dim=-1))[..., None]
    scores.masked_fill_(~legal, -torch.inf)
    if dead is not None:
        scores.view(-1)[dead.candidates(beams.nodes, table.ranks.numel())] = -torch.inf
    best, chosen = scores.view(batch, -1).topk(min(limit, table.size, width * table.ranks.numel()))
    nodes = nodes.view(batch, -1).gather(1, chosen).masked_fill_(best == -torch.inf, table.size)
    return _Beams(best, nodes, chosen // table.ranks.numel())


def _see(seen: torch.Tensor, origin: torch.Tensor) -> torch.Tensor:
    """Return what each beam may attend to: what its parent could, and itself. Bool [batch, width, keys]."""
    batch, width = origin.shape
    inherited = seen.gather(1, origin[..., None].expand(-1, -1, seen.shape[2]))
    itself = torch.eye(width, dtype=torch.bool, device=seen.device).expand(batch, -1, -1)
    return torch.cat([inherited, itself], dim=2)


def _count(prompts: Prompts) -> int:
    return len(prompts[0]) if isinstance(prompts, tuple) and isinstance(prompts[0], torch.Tensor) else len(prompts)


@contextmanager
def _evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Switch dropout off for a while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
