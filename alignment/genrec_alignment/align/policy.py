"""A policy as one module: a forward pass gives the next-token loss and the log-probabilities of candidates.

One pass for both, because wrappers of several processes (DDP) pass on ``forward`` alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import GenerationConfig, PreTrainedModel
from transformers.utils import ModelOutput

from genrec.decoding.trie import Trie
from genrec.models import Events, Generator
from genrec.models.continuations import Continuations
from genrec.models.histories import HistoryBatch
from genrec.models.history_model import IGNORED, HistoryModel
from genrec_alignment.align.config import AlignConfig
from genrec_alignment.preference.logprobs import causal_log_probabilities, history_log_probabilities
from genrec_alignment.sft.adapters import enter


@dataclass
class PolicyOutput(ModelOutput):
    """What a pass gives.

    Args:
        next_token_loss: the mean over what the rows of the log teach; None without such rows.
        log_probs: float [rows, candidates], of whole candidates; None without candidates.
    """

    next_token_loss: Tensor | None = None
    log_probs: Tensor | None = None


def learning(policy: Generator, config: AlignConfig) -> PreTrainedModel | PeftModel:
    """Return a policy's model with the weights to be trained as ``align.train`` says: those of LoRA, or all."""
    if config.train == "lora" or (config.train == "auto" and policy.language is not None):
        return enter(policy.model, "lora", config.lora, policy.vocabulary)
    policy.model.requires_grad_(True)
    return policy.model


class PolicyModule(nn.Module):
    """A generator's model for training; it never drops anything out, so that it starts as its reference.

    Args:
        generator: catalogue and prompts.
        model: its model, or that with an adapter.
    """

    def __init__(self, generator: Generator, model: PreTrainedModel | PeftModel) -> None:
        super().__init__()
        self.generator, self.model = generator, model
        # Copies, because trainers write their tokenizer's special tokens into them.
        self.config, self.generation_config = copy.deepcopy(self.causal.config), GenerationConfig()
        if isinstance(self.causal, HistoryModel) and self.causal.over_catalogue:
            catalogue = generator.catalogue
            self.causal.continuations = Continuations(Trie.build(catalogue.codes, catalogue.codebook_sizes))

    @property
    def causal(self) -> PreTrainedModel:
        """The model itself, with an adapter working inside it."""
        model = self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model
        return cast(PreTrainedModel, model)

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.causal.device

    def train(self, mode: bool = True) -> PolicyModule:
        """Say that it is trained, with dropout and the like off all the same."""
        super().train(False)
        self.training = mode
        return self

    def add_model_tags(self, tags: object) -> None:
        """Do nothing: what TRL would write on a model card is not this model's."""

    def forward(
        self,
        ntp: dict[str, Tensor] | None = None,
        history: dict[str, Tensor] | None = None,
        prompts: Sequence[Sequence[int]] | None = None,
        codes: Tensor | None = None,
    ) -> PolicyOutput:
        """Return the loss of rows of the log, and the log-probabilities of candidates.

        Args:
            ntp: what the model takes of rows of the log.
            history: of the candidates' requests, the fields of a :class:`~genrec.models.histories.HistoryBatch`.
            prompts: the same as token ids, for causal models.
            codes: int64 [rows, candidates, items, levels]; -100 where there is no item; tokens for causal models.
        """
        loss = None if ntp is None else self.model(**ntp).loss
        if codes is None:
            return PolicyOutput(loss)
        model = self.causal
        if history is not None:
            assert isinstance(model, HistoryModel)
            found = history_log_probabilities(model, HistoryBatch(**history), codes)
        else:
            assert prompts is not None
            found = causal_log_probabilities(model, prompts, codes)
        return PolicyOutput(loss, found.sum(dim=-1))

    def inputs(
        self, histories: Sequence[npt.NDArray[np.integer] | Events], items: npt.NDArray[np.integer]
    ) -> dict[str, object]:
        """Return the arguments of :meth:`forward` for candidates int [requests, candidates, items], on the CPU."""
        asked = self.generator.prompts(histories)
        table = self.generator.catalogue.codes if isinstance(asked, HistoryBatch) else self.generator.tokens
        codes = np.where(items[..., None] >= 0, table[items], IGNORED).astype(np.int64)
        inputs: dict[str, object] = {"codes": torch.from_numpy(codes)}
        if isinstance(asked, HistoryBatch):
            inputs["history"] = vars(asked)
        else:
            inputs["prompts"] = asked
        return inputs
