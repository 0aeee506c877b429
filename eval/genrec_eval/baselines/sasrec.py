"""SASRec as a baseline: trained with full cross-entropy, stopped where validation NDCG@10 is best."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from genrec.console import remark, track
from genrec.data import Dataset
from genrec_eval.baselines.base import Baseline, Items
from genrec_eval.baselines.sasrec_model import SasrecModel
from genrec_eval.baselines.validation import VALIDATION_USERS, sample_examples, validation_ndcg
from genrec_eval.config import SasrecConfig


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
        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            self.model = SasrecModel(self._items, self.config)
            self._train([sequence for sequence in train if len(sequence) > 1], np.random.default_rng(self._seed))
        self.model.eval()

    def _train(self, train: list[Items], rng: np.random.Generator) -> None:
        config = self.config
        optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
        )
        best, best_state, waited = -1.0, copy.deepcopy(self.model.state_dict()), 0
        for epoch in track(range(1, config.epochs + 1), "SASRec, epochs at most"):
            self.epochs_run = epoch
            self._epoch(train, optimizer, rng)
            score = self._validate()
            waited = 0 if score > best else waited + 1
            if waited == 0:
                best, best_state = score, copy.deepcopy(self.model.state_dict())
            if waited >= config.patience:
                break
        self.model.load_state_dict(best_state)
        stop = f"best validation NDCG@10 {best:.4f}" if len(self._valid) else "no validation part to stop by"
        remark(f"SASRec: {self.epochs_run} epochs, {stop}")

    def _epoch(self, train: list[Items], optimizer: torch.optim.Optimizer, rng: np.random.Generator) -> None:
        self.model.train()
        for batch in _windows(train, self.config.history_length, self.config.batch_size, self._items, rng):
            optimizer.zero_grad(set_to_none=True)
            self.model.loss(batch).backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            optimizer.step()

    def _validate(self) -> float:
        if not len(self._valid):
            return float(self.epochs_run)  # nothing to stop by: the last epoch is the best
        self.model.eval()
        return validation_ndcg(self, self._valid, self.exclude_seen)

    @torch.inference_mode()
    def _score(self, histories: Sequence[Items]) -> npt.NDArray[np.float32]:
        recent = [history[-self.config.history_length :] for history in histories]
        states = []
        for start in range(0, len(recent), 256):
            batch = recent[start : start + 256]
            lengths = torch.tensor([max(len(history), 1) for history in batch])
            encoded = self.model(_pad(batch, self._items))
            states.append(encoded[torch.arange(len(batch)), lengths - 1])
        return self.model.logits(torch.cat(states)).numpy()


def _windows(
    train: list[Items], length: int, batch_size: int, padding: int, rng: np.random.Generator
) -> Iterator[torch.Tensor]:
    """Yield every training sequence once, cut at a random place into windows of at most length + 1, shuffled.

    A window begins with the last item of the one before, so each item but a user's first is a target once.
    """
    windows = []
    for sequence in train:
        first = len(sequence) - 1 if len(sequence) <= length + 1 else int(rng.integers(1, length + 1))
        cuts = [0, *range(first, len(sequence) - 1, length), len(sequence) - 1]
        windows += [sequence[start : stop + 1] for start, stop in pairwise(cuts) if stop > start]
    order = rng.permutation(len(windows))
    for start in range(0, len(order), batch_size):
        yield _pad([windows[index] for index in order[start : start + batch_size]], padding)


def _pad(sequences: Sequence[Items], padding: int) -> torch.Tensor:
    """Return int64 [batch, longest], padded on the right, at least one place wide."""
    width = max(1, max(len(sequence) for sequence in sequences))
    table = np.full((len(sequences), width), padding, dtype=np.int64)
    for row, sequence in zip(table, sequences, strict=True):
        row[: len(sequence)] = sequence
    return torch.from_numpy(table)
