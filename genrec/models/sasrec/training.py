"""Train SASRec on users' histories, and stop where whoever asks for it says it is best."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from genrec.console import track
from genrec.models.sasrec.config import SasrecConfig
from genrec.models.sasrec.network import SasrecModel

Items = npt.NDArray[np.int32]
Judge = Callable[[SasrecModel], float]


def train_sasrec(
    histories: Sequence[Items], items: int, config: SasrecConfig, seed: int, judge: Judge | None = None
) -> tuple[SasrecModel, int, float | None]:
    """Return a trained model in evaluation mode, the epochs run, and the judge's best score.

    It is trained, and stays, on the GPU if there is one.

    Args:
        histories: item indices of each user, oldest first; those of fewer than two items teach nothing.
        items: the number of items there are.
        config: shape and training.
        seed: of the weights, the order, the cuts and dropout. The caller's random state is left alone.
        judge: scores the model after every epoch, higher is better. Training ends after ``config.patience``
            epochs without a better score, and the best epoch's weights are kept. None runs all epochs.
    """
    train = [history for history in histories if len(history) > 1]
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = SasrecModel(items, config)
        model.to("cuda" if torch.cuda.is_available() else "cpu")
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
        )
        best, best_state, waited, epochs_run = None, None, 0, 0
        for epoch in track(range(1, config.epochs + 1), "SASRec, epochs at most"):
            epochs_run = epoch
            _epoch(model, train, config, optimizer, rng)
            if judge is None:
                continue
            score = judge(model.eval())
            waited = 0 if best is None or score > best else waited + 1
            if waited == 0:
                best, best_state = score, copy.deepcopy(model.state_dict())
            if waited >= config.patience:
                break
    if best_state is not None:
        model.load_state_dict(best_state)
    return model.eval(), epochs_run, best


def _epoch(
    model: SasrecModel,
    train: Sequence[Items],
    config: SasrecConfig,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
) -> None:
    model.train()
    for batch in windows(train, config.history_length, config.batch_size, model.items, rng):
        optimizer.zero_grad(set_to_none=True)
        model.loss(batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def windows(
    train: Sequence[Items], length: int, batch_size: int, padding: int, rng: np.random.Generator
) -> Iterator[torch.Tensor]:
    """Yield every training sequence once, cut at a random place into windows of at most length + 1, shuffled.

    A window begins with the last item of the one before, so each item but a user's first is a target once.
    """
    cut = []
    for sequence in train:
        first = len(sequence) - 1 if len(sequence) <= length + 1 else int(rng.integers(1, length + 1))
        cuts = [0, *range(first, len(sequence) - 1, length), len(sequence) - 1]
        cut += [sequence[start : stop + 1] for start, stop in pairwise(cuts) if stop > start]
    order = rng.permutation(len(cut))
    for start in range(0, len(order), batch_size):
        yield pad([cut[index] for index in order[start : start + batch_size]], padding)


def pad(sequences: Sequence[Items], padding: int) -> torch.Tensor:
    """Return int64 [batch, longest], padded on the right, at least one place wide."""
    width = max(1, max(len(sequence) for sequence in sequences))
    table = np.full((len(sequences), width), padding, dtype=np.int64)
    for row, sequence in zip(table, sequences, strict=True):
        row[: len(sequence)] = sequence
    return torch.from_numpy(table)
