"""What a request of a vLLM engine may write, for the logits processors of both of vLLM's model runners.

A request says so in its ``extra_args``, which are ``vllm_xargs`` over HTTP:

    (nothing)                      items of the catalogue; what stock beam search asks for, which passes nothing on
    {"genrec": "text"}             anything: an ordinary text request beside the others
    {"genrec_tokens": [5, 8, …]}   these tokens; what genrec's own search asks for

Whatever it may write, its row becomes log-probabilities over the full vocabulary, -inf where it may not go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from genrec.console import remark
from genrec.decoding.trie import Trie
from genrec.decoding.trie_mask import TrieMask
from genrec.errors import suggest
from genrec.models.language.parts import saved_vocabulary
from genrec.semantic_ids import Catalogue

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.sampling_params import SamplingParams

CATALOGUE = "genrec_catalogue"  # of an engine's additional_config
KIND, TOKENS = "genrec", "genrec_tokens"  # of a request's extra_args

Legal = Literal["items", "text"] | list[int]


def legal_of(params: SamplingParams) -> Legal:
    """Return what a request may write.

    Raises:
        ValueError: if its ``extra_args`` say something unknown; over HTTP that is a 400.
    """
    given = params.extra_args or {}
    tokens, kind = given.get(TOKENS), given.get(KIND, "items")
    if isinstance(kind, str) and kind in ("items", "text") and tokens is None:
        return "text" if kind == "text" else "items"
    if tokens is None:
        raise ValueError(f"unknown {KIND} {kind!r}.{suggest(str(kind), ('items', 'text'))}")
    if KIND in given:
        raise ValueError(f"give either {KIND} or {TOKENS}")
    if not isinstance(tokens, list) or not tokens or not all(type(one) is int and one >= 0 for one in tokens):
        raise ValueError(f"{TOKENS} must be a list of token ids")
    return tokens


def catalogue_of(config: VllmConfig) -> Path | None:
    """Return the folder of the catalogue that an engine writes items of; None where it has none.

    Args:
        config: the engine's; its ``additional_config`` may name the folder or say false; otherwise it is the one in
            the model's own folder, if there is one.

    Raises:
        ValueError: if it says something else.
    """
    settings = config.additional_config
    given = settings.get(CATALOGUE) if isinstance(settings, dict) else None
    if given is False:
        return None
    if given is not None:
        if not isinstance(given, str):
            raise ValueError(f"additional_config: {CATALOGUE} is a folder or false, not {given!r}")
        return Path(given)
    own = Path(config.model_config.model) / "catalogue"
    return own if Catalogue.saved_at(own) else None


class RowMask:
    """Turns the logits of a batch of requests into masked log-probabilities.

    Args:
        config: the engine's; see :func:`catalogue_of`.
        device: of the logits.

    Raises:
        ArtifactError: if there is no catalogue.
    """

    def __init__(self, config: VllmConfig, device: torch.device) -> None:
        model = Path(config.model_config.model)
        catalogue = Catalogue.load(catalogue_of(config) or model / "catalogue")
        if config.model_config.logprobs_mode != "processed_logits":
            remark("vLLM's beam search ranks items as genrec does only with --logprobs-mode processed_logits.")
        trie = Trie.build(catalogue.codes, catalogue.codebook_sizes)
        self._items = TrieMask(trie, saved_vocabulary(model, catalogue).offsets, device)
        self.tail = len(trie.levels) - 1  # how many of a sequence's last tokens say where it stands

    def tails(self, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the last tokens of each sequence, int64 [sequences, tail]; -1 before a shorter one."""
        return self._items.tails(sequences)

    def __call__(self, logits: torch.Tensor, tails: torch.Tensor, legal: Sequence[Legal]) -> torch.Tensor:
        """Return log-probabilities, float32 [rows, vocabulary].

        Args:
            logits: float [rows, vocabulary].
            tails: int64 [rows, tail], the last tokens of each row's sequence.
            legal: what each row may write.
        """
        scores = logits.float().log_softmax(dim=-1)
        items = [row for row, one in enumerate(legal) if one == "items"]
        if len(items) == len(legal):
            return self._items.after(scores, tails)
        masked = torch.full_like(scores, -torch.inf)
        if items:
            masked[items] = self._items.after(scores[items], tails[items])
        text = [row for row, one in enumerate(legal) if one == "text"]
        masked[text] = scores[text]
        _keep(masked, scores, [(row, one) for row, one in enumerate(legal) if isinstance(one, list)])
        return masked


def _keep(masked: torch.Tensor, scores: torch.Tensor, given: Sequence[tuple[int, list[int]]]) -> None:
    """Copy the scores of the tokens that rows name into ``masked``; tokens beyond the vocabulary are no tokens."""
    rows = torch.tensor([row for row, tokens in given for _ in tokens], dtype=torch.int64)
    columns = torch.tensor([token for _, tokens in given for token in tokens], dtype=torch.int64)
    known = columns < scores.shape[1]
    rows, columns = rows[known].to(scores.device), columns[known].to(scores.device)
    masked[rows, columns] = scores[rows, columns]
