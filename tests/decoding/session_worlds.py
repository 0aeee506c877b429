"""Tiny worlds of every kind of model, and what a search for sessions must return, computed the plain way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from transformers.cache_utils import DynamicCache

from genrec.decoding import TreeBeamSearch, Trie
from genrec.models import Events, HistoryBatch
from genrec.models.histories import batch_histories
from genrec.models.history_model import HistoryModel
from genrec.models.onerec.configuration import OneRecConfig, OneRecLazyConfig
from genrec.models.onerec.encoder_decoder import OneRecModel
from genrec.models.onerec.lazy_decoder import OneRecLazyModel
from genrec.models.tiger.model import TigerConfig, TigerModel
from genrec.semantic_ids.vocabulary import SIDVocabulary
from tests.decoding.worlds import NEAR, World, random_codes, random_prompts

HISTORY_KINDS = ("onerec", "onerec_lazy", "t5")
KINDS = ("qwen3", "gpt2", *HISTORY_KINDS)
SHAPE = {"hidden_size": 32, "intermediate_size": 48, "heads": 4}
T5_SHAPE = SHAPE | {"layers": 2, "head_size": 6}


class SessionWorld(Protocol):
    """A catalogue, prompts, and a model that is asked one thing at a time."""

    codes: np.ndarray

    @property
    def search(self) -> TreeBeamSearch: ...

    @property
    def prompts(self) -> list[list[int]] | HistoryBatch: ...

    def follow(self, row: int, codes: Sequence[int]) -> np.ndarray:
        """Return the log-probabilities of the codes that may come after a prompt and codes of a session."""
        ...

    def rescore(self, row: int, items: Sequence[int]) -> list[float]:
        """Return each item's log-probability by teacher forcing."""
        ...


@dataclass
class CausalSessions:
    """A decoder-only model: a session is its items' tokens one after another."""

    world: World
    prompts: list[list[int]]

    @property
    def codes(self) -> np.ndarray:
        return self.world.codes

    @property
    def search(self) -> TreeBeamSearch:
        return TreeBeamSearch(self.world.model, self.world.trie, self.world.vocabulary.offsets)

    @torch.no_grad()
    def follow(self, row: int, codes: Sequence[int]) -> np.ndarray:
        offsets, sizes = self.world.vocabulary.offsets, self.world.vocabulary.codebook_sizes
        tokens = [code + int(offsets[at % len(sizes)]) for at, code in enumerate(codes)]
        level = len(codes) % len(sizes)
        logits = self.world.model(torch.tensor([[*self.prompts[row], *tokens]])).logits[0, -1].log_softmax(-1)
        return logits[offsets[level] : offsets[level] + sizes[level]].numpy()

    def rescore(self, row: int, items: Sequence[int]) -> list[float]:
        tokens = self.world.vocabulary.encode(self.codes)
        prompt = [*self.prompts[row]]
        scores = []
        for item in items:
            scores.append(self.world.score(prompt, item))
            prompt += tokens[item].tolist()
        return scores


@dataclass
class HistorySessions:
    """A model that reads events: BOS before every item, and a softmax over each level's codes."""

    model: HistoryModel
    codes: np.ndarray
    prompts: HistoryBatch

    @property
    def search(self) -> TreeBeamSearch:
        sizes = self.model.config.codebook_sizes
        return TreeBeamSearch(self.model, Trie.build(self.codes, sizes), [0] * len(sizes))

    def _of(self, row: int) -> HistoryBatch:
        """One prompt without its padding."""
        prompts, length = self.prompts, max(1, int(self.prompts.mask[row].sum()))
        parts = (prompts.codes, prompts.rows, prompts.features, prompts.mask)
        return HistoryBatch(*(part[row : row + 1, :length] for part in parts))

    @torch.no_grad()
    def follow(self, row: int, codes: Sequence[int]) -> np.ndarray:
        sizes = self.model.config.codebook_sizes
        first, tokens = [1 + sum(sizes[:level]) for level in range(len(sizes))], [0]
        for at, code in enumerate(codes):
            tokens.append(first[at % len(sizes)] + code)
            tokens += [0] if (at + 1) % len(sizes) == 0 else []
        mask = torch.ones(len(tokens), len(tokens), dtype=torch.bool).tril()[None]
        positions = torch.arange(len(tokens))[None]
        memory, level = self.model.encode(self._of(row)), len(codes) % len(sizes)
        states = self.model.decode(torch.tensor([tokens]), positions, mask, memory, DynamicCache())
        logits = self.model.logits(states, level)
        return logits[0, -1].log_softmax(-1).numpy()

    @torch.no_grad()
    def rescore(self, row: int, items: Sequence[int]) -> list[float]:
        one, sums = self._of(row), [0.0]
        for count in range(1, len(items) + 1):
            target = torch.from_numpy(self.codes[list(items[:count])].astype(np.int64))[None, None]
            out = self.model(one.codes, one.rows, one.features, one.mask, target)
            codes = target.shape[3] if self.model.averages_codes else 1
            sums.append(-float(out.loss) * count * codes)
        return [after - before for before, after in pairwise(sums)]


def history_model(kind: str, sizes: tuple[int, ...], seed: int, session: int = 4, items: int = 0) -> HistoryModel:
    """Return a random model that reads events, in evaluation mode, with scores well spread out."""
    torch.manual_seed(seed)
    options: dict[str, Any] = {
        "codebook_sizes": sizes,
        "items": items,
        "session_length": session,
        "shape": SHAPE,
        "initializer_range": 0.3,
    }
    if kind == "t5":
        return TigerModel(TigerConfig(**options | {"shape": T5_SHAPE, "items": 0})).eval()
    if kind == "onerec":
        return OneRecModel(OneRecConfig(**options)).eval()
    return OneRecLazyModel(OneRecLazyConfig(**options)).eval()


def session_world(kind: str, sizes: tuple[int, ...], items: int, seed: int, lengths: Sequence[int]) -> SessionWorld:
    """Return a world in which everything is random.

    Args:
        kind: one of ``KINDS``.
        sizes: codebook sizes.
        items: of the catalogue.
        seed: of everything.
        lengths: events of each history; 0 only for a model of the OneRec family, 1 token there else.
    """
    rng = np.random.default_rng(seed)
    if kind not in HISTORY_KINDS:
        vocabulary = SIDVocabulary(sizes)
        prompts = random_prompts([max(1, length) for length in lengths], vocabulary, rng)
        return CausalSessions(World.random(kind, sizes, items, seed), prompts)
    codes = random_codes(sizes, items, rng)
    histories = [Events(rng.integers(0, items, size=length)) for length in lengths]
    prompts = batch_histories(histories, codes, np.zeros(items, np.int64), 0)
    return HistorySessions(history_model(kind, sizes, seed), codes, prompts)


def plain_search(
    world: SessionWorld, row: int, length: int, beams: int, exclude: set[int]
) -> tuple[list[tuple[tuple[int, ...], float]], float]:
    """Return what a beam search for sessions finds, and the smallest difference of scores it hangs on.

    One hypothesis after the other, one forward pass each, the catalogue looked through for every one.
    """
    levels = world.codes.shape[1]
    item_of = {tuple(codes): item for item, codes in enumerate(world.codes.tolist())}
    kept: dict[tuple[int, ...], float] = {(): 0.0}
    gap = float("inf")
    length = min(length, len(item_of) - len(exclude))
    for at in range(length * levels):
        scored = {}
        for prefix, score in kept.items():
            whole = {item_of[prefix[i : i + levels]] for i in range(0, len(prefix) - at % levels, levels)}
            part = prefix[len(prefix) - at % levels :]
            left = [code for code, item in item_of.items() if item not in whole | exclude]
            legal = {code[len(part)] for code in left if code[: len(part)] == part}
            if legal:
                following = world.follow(row, prefix)
                scored.update({(*prefix, code): score + float(following[code]) for code in legal})
        best = sorted(scored, key=scored.__getitem__, reverse=True)[: beams + 1]
        ranked = [scored[prefix] for prefix in best]
        deciding = ranked if at + 1 == length * levels else ranked[beams - 1 :]
        gap = min([gap, *(a - b for a, b in pairwise(deciding))])
        kept = {prefix: scored[prefix] for prefix in best[:beams]}
    sessions = [
        (tuple(item_of[prefix[i : i + levels]] for i in range(0, len(prefix), levels)), score)
        for prefix, score in kept.items()
        if prefix
    ]
    return sessions, gap


def decided(gap: float) -> bool:
    """Say whether no two scores on which the result hangs are too close to call."""
    return gap > NEAR
