"""vLLM under genrec's own beam search: one request of vLLM's for every hypothesis at every level.

The search is that of :class:`~genrec.decoding.beam_search.BeamSearch`, so exclusions, sessions and collisions are
what they are elsewhere. A request names the tokens that its hypothesis may go on with, and vLLM returns their
full-vocabulary log-probabilities (:mod:`genrec.decoding.vllm_masks`); it knows nothing of the catalogue, which may
change at any time. What the hypotheses of a prompt have in common, vLLM's prefix cache computes once.

vLLM runs in this process (``VLLM_ENABLE_V1_MULTIPROCESSING=0`` unless told), and bears one engine a process.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from genrec.decoding.beam_search import BeamSearch
from genrec.decoding.prefix_cache import CacheFigures
from genrec.decoding.prompts import Prompts, token_lists
from genrec.decoding.restriction import children_with
from genrec.decoding.support import positions_of
from genrec.decoding.trie import Trie
from genrec.decoding.vllm_masks import TOKENS
from genrec.errors import ArtifactError
from genrec.models.histories import HistoryBatch

if TYPE_CHECKING:
    from vllm import LLM, RequestOutput

    from genrec.models.generator import Generator

Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

# What a person has set wins. Without the first, vLLM does not start on a CPU; it is in GiB.
_ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "2",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
}


class VllmEngine:
    """A vLLM engine of a saved generator.

    Args:
        folder: the generator's.
        generator: the same, loaded; its weights are not needed.
        dtype: of the weights.

    Raises:
        ArtifactError: if vLLM cannot run the model.
    """

    def __init__(self, folder: Path, generator: Generator, dtype: torch.dtype) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self.positions = positions_of(generator.model)
        self.llm = _start(folder, self.positions, dtype)
        _warm(self.llm)

    def search(self, trie: Trie, level_offsets: Sequence[int] | npt.NDArray) -> BeamSearch:
        """Return the search of a catalogue; see :class:`~genrec.decoding.engines.Engine`."""
        return BeamSearch(VllmStepper(self.llm, trie, level_offsets, self.positions), trie)

    def cache_figures(self) -> CacheFigures:
        """Return zeros: nothing is kept here, and what vLLM keeps by itself is not known."""
        return CacheFigures()

    def close(self) -> None:
        """Do nothing: vLLM ends what it started when this process does."""


def _start(folder: Path, positions: int, dtype: torch.dtype) -> LLM:
    from vllm import LLM
    from vllm.platforms import current_platform

    from genrec.decoding.vllm import engine_settings

    # A smaller block than 32 is refused on a CPU, and a larger one would leave most prompts out of the prefix
    # cache; compiling takes a minute and gains nothing there.
    cpu: dict[str, Any] = {"block_size": 32, "enforce_eager": True} if current_platform.is_cpu() else {}
    try:
        with warnings.catch_warnings():  # torch's, of names that vLLM still uses
            warnings.simplefilter("ignore", FutureWarning)
            return LLM(
                str(folder),
                dtype=str(dtype).removeprefix("torch."),  # type: ignore[arg-type]
                max_model_len=positions,
                disable_log_stats=True,
                use_tqdm_on_load=False,
                **cpu,
                **engine_settings(None),
            )
    except (ValueError, RuntimeError) as error:
        raise ArtifactError(
            f"vLLM does not run {folder}: {error}", "Take the engine tree, which runs every generator."
        ) from error


def _warm(llm: LLM) -> None:
    """Have vLLM compile what it needs for log-probabilities, which the first request would otherwise wait for."""
    from vllm import SamplingParams, TokensPrompt

    params = SamplingParams(temperature=0, max_tokens=1, logprobs=1, detokenize=False)
    for rows in (2, 1):
        llm.generate([TokensPrompt(prompt_token_ids=[0])] * rows, params, use_tqdm=False)
    llm.reset_prefix_cache()


class VllmStepper:
    """Drives a vLLM engine; see :class:`~genrec.decoding.steppers.Stepper`.

    Args:
        llm: an engine with genrec's logits processor.
        trie: the catalogue.
        level_offsets: int [levels], the token id of code 0 of each level.
        positions: how many the model has.
    """

    over_children, normalized = False, True
    device = torch.device("cpu")  # of the search; the model is wherever vLLM has it

    def __init__(self, llm: LLM, trie: Trie, level_offsets: Sequence[int] | npt.NDArray, positions: int) -> None:
        self.trie, self.positions = trie, positions
        self.offsets = [0] * len(trie.levels)  # what comes back is one level's
        self._llm, self._first = llm, [int(offset) for offset in level_offsets]

    def start(self, prompts: Prompts | HistoryBatch, items: int) -> VllmDecoding:
        """Read prompts; see :class:`~genrec.decoding.steppers.Stepper`."""
        if isinstance(prompts, HistoryBatch):
            raise ValueError("vLLM reads prompts of token ids, not a HistoryBatch")
        rows = token_lists(prompts)
        room = self.positions - items * len(self.offsets)  # vLLM counts the last code too, which is never run
        longest = max(map(len, rows))
        if longest > room:
            raise ValueError(f"a prompt has {longest} tokens, but vLLM has positions for {room} besides the items'")
        if not all(rows):
            raise ValueError("a prompt needs at least one token, such as <bos>")
        return VllmDecoding(self, rows)

    def token(self, level: int, code: int) -> int:
        """Return the token id of a code."""
        return self._first[level] + code

    def ask(self, level: int, sequences: Sequence[list[int]], nodes: Int64) -> Iterable[tuple[Int64, Float32]]:
        """Return for each sequence the codes that may follow it, and their log-probabilities.

        Args:
            level: of the codes.
            sequences: token ids.
            nodes: int64 [sequences], the trie node of each at the level above.
        """
        from vllm import SamplingParams, TokensPrompt

        table, params = self.trie.levels[level], []
        for node in nodes.tolist():
            codes = table.codes[table.children_of[node] : table.children_of[node + 1]]
            tokens = (codes.astype(np.int64) + self._first[level]).tolist()
            params.append(
                SamplingParams(
                    temperature=0,
                    max_tokens=1,
                    logprobs=len(tokens),
                    flat_logprobs=True,
                    detokenize=False,
                    extra_args={TOKENS: tokens},
                )
            )
        prompts = [TokensPrompt(prompt_token_ids=sequence) for sequence in sequences]
        answers = self._llm.generate(prompts, params, use_tqdm=False)
        return [self._codes(answer, level) for answer in answers]

    def _codes(self, answer: RequestOutput, level: int) -> tuple[Int64, Float32]:
        found: Any = answer.outputs[0].logprobs
        scores = np.asarray(found.logprobs, dtype=np.float32)
        legal = np.isfinite(scores)
        return np.asarray(found.token_ids)[legal] - self._first[level], scores[legal]


class VllmDecoding:
    """Prompts under way; see :class:`~genrec.decoding.steppers.Decoding`."""

    wholes: list[torch.Tensor] | None = None

    def __init__(self, stepper: VllmStepper, prompts: list[list[int]]) -> None:
        self._stepper = stepper
        self._sequences = [[prompt] for prompt in prompts]
        self._nodes = np.zeros((len(prompts), 1), dtype=np.int64)
        self._alive = np.ones((len(prompts), 1), dtype=bool)
        self.logits = self._ask(0)

    def extend(self, origin: torch.Tensor, codes: torch.Tensor, level: int) -> torch.Tensor:
        """Return the log-probabilities after one more code, float32 [batch, width, codes of the next level]."""
        parents, new = origin.numpy(), codes.numpy()
        above = np.take_along_axis(self._nodes, parents, 1)
        nodes, known = children_with(self._stepper.trie.levels[level], above, new)
        self._alive = np.take_along_axis(self._alive, parents, 1) & known
        self._sequences = [
            [[*row[parent], self._stepper.token(level, code)] for parent, code in zip(*pair, strict=True)]
            for row, *pair in zip(self._sequences, parents.tolist(), new.tolist(), strict=True)
        ]
        following = (level + 1) % len(self._stepper.offsets)
        self._nodes = np.where(self._alive, nodes, 0) if following else np.zeros_like(nodes)
        return self._ask(following)

    def _ask(self, level: int) -> torch.Tensor:
        """Return the log-probabilities of a level's codes after every hypothesis; -inf after those that ended."""
        size = self._stepper.trie.codebook_sizes[level]
        scores = np.full((*self._alive.shape, size), -np.inf, dtype=np.float32)
        rows, beams = np.nonzero(self._alive)
        sequences = [self._sequences[row][beam] for row, beam in zip(rows.tolist(), beams.tolist(), strict=True)]
        answers = self._stepper.ask(level, sequences, self._nodes[rows, beams])
        for row, beam, (codes, found) in zip(rows, beams, answers, strict=True):
            scores[row, beam, codes] = found
        return torch.from_numpy(scores)
