"""SASRec as a baseline: trained with full cross-entropy, stopped where validation NDCG@10 is best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from genrec.console import remark
from genrec.data import Dataset
from genrec.models.sasrec import SasrecConfig
from genrec.models.sasrec.network import SasrecModel
from genrec.models.sasrec.training import pad, train_sasrec
from genrec_eval.baselines.base import Baseline, Items
from genrec_eval.baselines.validation import VALIDATION_USERS, sample_examples, validation_ndcg


class Sasrec(Baseline):
    """Self-attentive sequential recommendation (Kang and McAuley, 2018) with full cross-entropy.

    The loss is the softmax over all items at every place (as Klenitskiy and Vasilev, 2023, and Petrov and
    Macdonald, 2023, show, the published loss on one negative is what made SASRec look weak).

    Args:
        config: its settings.
        exclude_seen: whether items of the history are left out when it decides when to stop.
    """

    name = "sasrec"

    def __init__(self, config: SasrecConfig | None = None, exclude_seen: bool = True) -> None:
        self.config = config or SasrecConfig()
        self.exclude_seen = exclude_seen

    def fit(self, dataset: Dataset, seed: int = 0) -> Self:
        """Learn from the split ``train``, and stop where NDCG@10 on ``valid`` is best; return ``self``."""
        self._valid = sample_examples(dataset.examples("valid"), VALIDATION_USERS, seed)
        return super().fit(dataset, seed)

    def _fit(self, train: list[Items]) -> None:
        judge = self._judge if len(self._valid) else None
        self.model, self.epochs_run, best = train_sasrec(train, self._items, self.config, self._seed, judge)
        stop = "no validation part to stop by" if best is None else f"best validation NDCG@10 {best:.4f}"
        remark(f"SASRec: {self.epochs_run} epochs, {stop}")

    def _judge(self, model: SasrecModel) -> float:
        self.model = model
        return validation_ndcg(self, self._valid, self.exclude_seen)

    @torch.inference_mode()
    def _score(self, histories: Sequence[Items]) -> npt.NDArray[np.float32]:
        recent = [history[-self.config.history_length :] for history in histories]
        states = []
        for start in range(0, len(recent), 256):
            batch = recent[start : start + 256]
            lengths = torch.tensor([max(len(history), 1) for history in batch])
            encoded = self.model(pad(batch, self._items))
            states.append(encoded[torch.arange(len(batch)), lengths - 1])
        return self.model.logits(torch.cat(states)).cpu().numpy()
