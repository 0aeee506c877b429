"""Tiny models, random catalogues, and the oracle: ``generate`` with ``prefix_allowed_tokens_fn``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen3Config,
)

from genrec.decoding import Ranking, Trie
from genrec.semantic_ids.vocabulary import SIDVocabulary

FAMILIES = ("qwen3", "llama", "gpt2")
POSITIONS = 48

# Scores of legal hypotheses closer than this may change places between two orders of summation. A catalogue and
# a prompt where that can matter have no single right answer.
NEAR = 2e-4


def config_of(family: str, vocabulary_size: int, tied: bool = True) -> PretrainedConfig:
    """Return the configuration of a model so small that a test can make one, with scores well spread out."""
    ends = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    if family == "gpt2":
        return GPT2Config(
            vocab_size=vocabulary_size,
            n_positions=POSITIONS,
            n_embd=32,
            n_layer=2,
            n_head=2,
            initializer_range=0.3,
            tie_word_embeddings=tied,
            **ends,
        )
    kind = {"qwen3": Qwen3Config, "llama": LlamaConfig}[family]
    return kind(
        vocab_size=vocabulary_size,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=POSITIONS,
        initializer_range=0.3,
        tie_word_embeddings=tied,
        **ends,
    )


def model_of(family: str, vocabulary_size: int, seed: int = 0, tied: bool = True, **how: object) -> PreTrainedModel:
    """Return a random model in evaluation mode."""
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config_of(family, vocabulary_size, tied), **how).eval()


def random_codes(sizes: tuple[int, ...], items: int, rng: np.random.Generator) -> np.ndarray:
    """Return distinct codes int32 [items, levels]."""
    chosen = rng.choice(int(np.prod(sizes)), size=items, replace=False)
    return np.stack(np.unravel_index(chosen, sizes), axis=1).astype(np.int32)


def random_prompts(lengths: list[int], vocabulary: SIDVocabulary, rng: np.random.Generator) -> list[list[int]]:
    """Return prompts of SID tokens of the given lengths."""
    return [rng.integers(vocabulary.first, vocabulary.size, size=length).tolist() for length in lengths]


@dataclass
class World:
    """A model, a catalogue and the vocabulary between them."""

    model: PreTrainedModel
    codes: np.ndarray
    vocabulary: SIDVocabulary

    @classmethod
    def random(cls, family: str, sizes: tuple[int, ...], items: int, seed: int, tied: bool = True) -> World:
        """Return a world in which everything is random."""
        vocabulary = SIDVocabulary(sizes)
        codes = random_codes(sizes, items, np.random.default_rng(seed))
        return cls(model_of(family, vocabulary.size, seed, tied), codes, vocabulary)

    @property
    def trie(self) -> Trie:
        """The catalogue's trie."""
        return Trie.build(self.codes, self.vocabulary.codebook_sizes)

    @torch.no_grad()
    def generate(self, prompts: list[list[int]], beams: int) -> list[list[tuple[int, float]]]:
        """Return what transformers' beam search finds for each prompt: (item_index, score), best first."""
        width, tokens = max(map(len, prompts)), self.vocabulary.encode(self.codes)
        item_of = {tuple(row): item for item, row in enumerate(tokens.tolist())}

        def allowed(_row: int, sequence: torch.Tensor) -> list[int]:
            prefix = sequence[width:].numpy()
            legal = tokens[(tokens[:, : len(prefix)] == prefix).all(axis=1)]
            return np.unique(legal[:, len(prefix)]).tolist() or [0]

        found = self.model.generate(
            torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts]),
            attention_mask=torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]),
            # A fresh configuration: an inherited one may carry top_k or penalties, which prune legal beams.
            generation_config=GenerationConfig(
                num_beams=beams,
                num_return_sequences=beams,
                max_new_tokens=tokens.shape[1],
                length_penalty=0.0 if beams > 1 else None,
                do_sample=False,
                early_stopping=False,
                return_dict_in_generate=True,
                output_scores=True,
                pad_token_id=0,
            ),
            prefix_allowed_tokens_fn=allowed,
        )
        items = [item_of.get(tuple(row), -1) for row in found.sequences[:, width:].tolist()]
        if beams == 1:  # which generate turns into a greedy search, without a score of its own
            return [[(item, self.score(prompt, item))] for item, prompt in zip(items, prompts, strict=True)]
        pairs = list(zip(items, found.sequences_scores.tolist(), strict=True))
        lists = [pairs[start : start + beams] for start in range(0, len(pairs), beams)]
        # Where the catalogue has fewer items than beams, generate fills up with copies at -1e9 and with -inf.
        return [[(item, score) for item, score in one if score > -1e8] for one in lists]

    @torch.no_grad()
    def score(self, prompt: list[int], item: int) -> float:
        """Return an item's log-probability after a prompt from one plain forward pass."""
        tokens = self.vocabulary.encode(self.codes[item])
        logits = self.model(torch.tensor([[*prompt, *tokens[:-1]]])).logits[0, len(prompt) - 1 :]
        return float(logits.log_softmax(-1).gather(1, torch.from_numpy(tokens)[:, None]).sum())

    @torch.no_grad()
    def smallest_gap(self, prompt: list[int], beams: int) -> float:
        """Return the smallest difference of scores on which the result of a beam search hangs.

        A plain search without cache or batch: at every level all legal continuations of the kept prefixes are
        scored; what decides is the order of the kept and the distance to the first that is dropped.
        """
        tokens, kept, gap = self.vocabulary.encode(self.codes), {(): 0.0}, float("inf")
        for level in range(tokens.shape[1]):
            logits = self.model(torch.tensor([[*prompt, *prefix] for prefix in kept])).logits[:, -1]
            steps = dict(zip(kept, logits.log_softmax(-1), strict=True))
            prefixes = {tuple(row) for row in tokens[:, : level + 1].tolist() if tuple(row[:level]) in kept}
            scored = {p: kept[p[:level]] + float(steps[p[:level]][p[level]]) for p in prefixes}
            best = sorted(scored, key=scored.__getitem__, reverse=True)[: beams + 1]
            ranked = [scored[prefix] for prefix in best]
            deciding = ranked if level + 1 == tokens.shape[1] else ranked[beams - 1 :]
            gap = min([gap, *(a - b for a, b in pairwise(deciding))])
            kept = {prefix: scored[prefix] for prefix in best[:beams]}
        return gap


def ranked(ranking: Ranking, row: int) -> list[tuple[int, float]]:
    """Return one row of a ranking without its padding."""
    items, scores = ranking.items[row], ranking.scores[row]
    assert (scores[items < 0] == -np.inf).all()
    return [(int(item), float(score)) for item, score in zip(items, scores, strict=True) if item >= 0]
