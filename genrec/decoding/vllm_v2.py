"""The logits processor of :mod:`genrec.decoding.vllm` for vLLM's V2 model runner, which is the default on a GPU.

The runner keeps every request's tokens on the device, by slot; a row of logits names its slot and its position.
The interface is vLLM 0.31's. It was tested by calling it with tensors, and has not run within vLLM, whose V2 runner
needs a GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from vllm.v1.worker.gpu.sample.logits_processor import LogitsContext, LogitsProcessor, LogitsProcRequestState

from genrec.decoding.vllm_masks import Legal, RowMask, legal_of

if TYPE_CHECKING:
    from vllm.config import VllmConfig
    from vllm.sampling_params import SamplingParams


class TrieLogitsProcessor(LogitsProcessor):
    """Masks requests by the trie of the catalogue in the generator's folder.

    Raises:
        ValueError: if the engine drafts tokens (speculative decoding), which it does not follow.
    """

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """Raise ``ValueError`` where a request says something unknown of what it may write."""
        legal_of(sampling_params)

    def __init__(self, vllm_config: VllmConfig, req_states: LogitsProcRequestState) -> None:
        if vllm_config.speculative_config is not None:
            raise ValueError("genrec's logits processor does not follow speculative decoding; leave it off")
        self._mask = RowMask(vllm_config, req_states.device)
        self._states = req_states
        self._legal: list[Legal] = ["items"] * req_states.max_num_reqs

    def add_request(self, req_idx: int, sampling_params: SamplingParams) -> bool:
        """Note what the request in a slot may write. Its row always becomes log-probabilities, so: True."""
        self._legal[req_idx] = legal_of(sampling_params)
        return True

    def apply(self, logits: torch.Tensor, ctx: LogitsContext) -> torch.Tensor:
        """Return masked log-probabilities, float32 [rows, vocabulary]."""
        # Without drafts a request has one row, in the order of idx_mapping.
        legal = [self._legal[slot] for slot in ctx.idx_mapping_np.tolist()]
        return self._mask(logits, self._tails(ctx), legal)

    def _tails(self, ctx: LogitsContext) -> torch.Tensor:
        """Return the last tokens of every row's sequence up to its position, int64 [rows, tail]."""
        back = torch.arange(1 - self._mask.tail, 1, device=ctx.pos.device)
        at = ctx.pos.long()[:, None] + back
        tokens = self._states.all_token_ids.gpu[ctx.expanded_idx_mapping.long()[:, None], at.clamp(min=0)].long()
        return tokens.masked_fill_(at < 0, -1)
