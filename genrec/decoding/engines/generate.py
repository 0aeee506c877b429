"""transformers' ``generate`` with a constraint: the search that the others are held against.

One prompt at a time, with the model's whole vocabulary scored for every hypothesis and the prompt read once for
each of them. Nothing of the search itself is shared with :class:`~genrec.decoding.beam_search.BeamSearch`: not the
trie's walk, not the exclusions, not the choice of the best.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import GenerationConfig

from genrec.decoding.prefix_cache import CacheFigures
from genrec.decoding.prompts import Prompts, token_lists
from genrec.decoding.ranking import Ranking, Sessions
from genrec.decoding.trie import Trie
from genrec.models.histories import HistoryBatch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_NONE = -1e8  # generate's score of a hypothesis that is none is -1e9, or -inf


class GenerateEngine:
    """Runs ``generate``.

    Args:
        model: a decoder-only language model.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model

    def search(self, trie: Trie, level_offsets: Sequence[int] | npt.NDArray) -> GenerateSearch:
        """Return the search of a catalogue; see :class:`~genrec.decoding.engines.Engine`."""
        return GenerateSearch(self.model, trie, level_offsets)

    def cache_figures(self) -> CacheFigures:
        """Return zeros: nothing is kept here."""
        return CacheFigures()

    def close(self) -> None:
        """Do nothing: it all runs in this process."""


class GenerateSearch:
    """Finds the best items, or the best sessions, as :class:`~genrec.decoding.engines.Search` says.

    Args:
        model: a decoder-only language model.
        trie: the catalogue.
        level_offsets: int [levels], the token id of code 0 of each level.
    """

    def __init__(self, model: PreTrainedModel, trie: Trie, level_offsets: Sequence[int] | npt.NDArray) -> None:
        self.model = model
        codes = np.stack([np.repeat(level.codes, np.diff(level.leaves)) for level in trie.levels], axis=1)
        tokens = codes.astype(np.int64) + np.asarray(level_offsets, dtype=np.int64)
        self._item_of = {tuple(row): int(item) for row, item in zip(tokens.tolist(), trie.items, strict=True)}
        self._levels = tokens.shape[1]

    def __call__(
        self,
        prompts: Prompts | HistoryBatch,
        beams: int = 20,
        exclude: Sequence[npt.ArrayLike] | None = None,
        k: int | None = None,
    ) -> Ranking:
        """Return the best items of each prompt."""
        found = self.sessions(prompts, 1, beams, beams if k is None else k, exclude, distinct=False)
        return Ranking(found.items[:, :, 0], found.scores)

    def sessions(
        self,
        prompts: Prompts | HistoryBatch,
        length: int,
        beams: int = 20,
        k: int = 1,
        exclude: Sequence[npt.ArrayLike] | None = None,
        distinct: bool = True,
    ) -> Sessions:
        """Return the best sessions of each prompt."""
        if isinstance(prompts, HistoryBatch):
            raise ValueError("generate reads prompts of token ids, not a HistoryBatch")
        rows = token_lists(prompts)
        found = Sessions.none(len(rows), beams, length)
        for row, prompt in enumerate(rows):
            left_out = set() if exclude is None else set(np.asarray(exclude[row]).ravel().tolist())
            allowed = [tokens for tokens, item in self._item_of.items() if item not in left_out]
            items = min(length, len(allowed))
            if items:
                self._fill(found, row, prompt, Following(allowed, len(prompt), self._levels), items)
        return (found.distinct() if distinct else found).best(k)

    @torch.no_grad()
    def _fill(self, found: Sessions, row: int, prompt: list[int], following: Following, items: int) -> None:
        """Put what ``generate`` finds after one prompt into a row of ``found``."""
        model: Any = self.model  # transformers' types do not know that it can be called
        ids = torch.tensor([prompt], device=model.device)
        settings: dict[str, Any] = {
            "num_beams": found.items.shape[1],
            "num_return_sequences": found.items.shape[1],
            "max_new_tokens": items * self._levels,
            "length_penalty": 0.0 if found.items.shape[1] > 1 else None,
            "do_sample": False,
            "early_stopping": False,
            "return_dict_in_generate": True,
            "output_logits": True,
            "output_scores": True,
            "pad_token_id": 0,
        }
        with _own_settings(model):
            out = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                generation_config=GenerationConfig(**settings),
                prefix_allowed_tokens_fn=following,
            )
        sums = getattr(out, "sequences_scores", torch.zeros(len(out.sequences)))
        kept = (sums > _NONE).nonzero().flatten()
        parents = out.beam_indices[kept] if "beam_indices" in out else None
        steps = model.compute_transition_scores(out.sequences[kept], out.logits, parents, normalize_logits=True)
        tokens = out.sequences[kept, len(prompt) :].reshape(len(kept), items, self._levels).tolist()
        scores = steps.reshape(len(kept), items, self._levels).sum(dim=2).cpu().numpy()
        for rank, (session, each) in enumerate(zip(tokens, scores, strict=True)):
            found.items[row, rank, :items] = [self._item_of[tuple(item)] for item in session]
            found.item_scores[row, rank, :items] = each
            found.scores[row, rank] = each.sum()


class Following:
    """Says which tokens may follow a session, as ``prefix_allowed_tokens_fn``.

    Args:
        allowed: the tokens of every item that may be given.
        start: where the session begins in a sequence.
        levels: tokens of an item.
    """

    def __init__(self, allowed: Sequence[tuple[int, ...]], start: int, levels: int) -> None:
        self._below: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        self._known: dict[tuple[tuple[int, ...], frozenset[tuple[int, ...]]], list[int]] = {}
        self._start, self._levels = start, levels
        for item in allowed:
            for at in range(levels):
                self._below.setdefault(item[:at], []).append(item)

    def __call__(self, _row: int, sequence: torch.Tensor) -> list[int]:
        """Return the legal tokens; where there is none, some token, for ``generate`` wants one everywhere."""
        tokens = tuple(sequence[self._start :].tolist())
        written = len(tokens) % self._levels
        items = range(0, len(tokens) - written, self._levels)
        at = tokens[len(tokens) - written :], frozenset(tokens[begin : begin + self._levels] for begin in items)
        if at not in self._known:
            self._known[at] = self._after(*at)
        return self._known[at]

    def _after(self, prefix: tuple[int, ...], taken: frozenset[tuple[int, ...]]) -> list[int]:
        below = self._below.get(prefix, [])
        return sorted({item[len(prefix)] for item in below if item not in taken}) or [0]


@contextmanager
def _own_settings(model: PreTrainedModel) -> Iterator[None]:
    """Put a model's own generation settings aside: an inherited top_k or penalty would prune legal hypotheses."""
    inherited, training = model.generation_config, model.training
    model.generation_config = GenerationConfig()
    model.eval()
    try:
        yield
    finally:
        model.generation_config = inherited
        model.train(training)
