"""Train SASRec, and models of its kind, on users' histories, and stop where whoever asks for it says it is best."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from genrec.console import track
from genrec.models.sasrec.config import SasrecConfig, SequentialConfig
from genrec.models.sasrec.network import SasrecModel
from genrec.models.sasrec.next_item import NextItemModel, pad

__all__ = ["pad", "train_next_item", "train_sasrec", "windows"]

Items = npt.NDArray[np.int32]
Judge = Callable[[SasrecModel], float]
M = TypeVar("M", bound=NextItemModel)


def train_sasrec(
    histories: Sequence[Items], items: int, config: SasrecConfig, seed: int, judge: Judge | None = None
) -> tuple[SasrecModel, int, float | None]:
    """Return a trained SASRec in evaluation mode, the epochs run, and the judge's best score.

    Args:
        histories: item indices of each user, oldest first; those of fewer than two items teach nothing.
        items: the number of items there are.
        config: shape and training.
        seed: of the weights, the order, the cuts and dropout. The caller's random state is left alone.
        judge: scores the model after every epoch, higher is better. Training ends after ``config.patience``
            epochs without a better score, and the best epoch's weights are kept. None runs all epochs.
    """
    return train_next_item(lambda: SasrecModel(items, config), histories, config, seed, judge, "SASRec")


def train_next_item(
    build: Callable[[], M],
    histories: Sequence[Items],
    config: SequentialConfig,
    seed: int,
    judge: Callable[[M], float] | None = None,
    name: str = "training",
) -> tuple[M, int, float | None]:
    """Return a model of next items on the CPU, trained as :func:`train_sasrec` says, on a GPU if there is one.

    Args:
        build: makes the model.
        histories: item indices of each user, oldest first.
        config: how it is trained.
        seed: of every random choice.
        judge: scores the model after every epoch.
        name: shown beside the progress bar.
    """
    train = [history for history in histories if len(history) > 1]
    rng = np.random.default_rng(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build().to(device)
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
        )
        best, best_state, waited, epochs_run = None, None, 0, 0
        for epoch in track(range(1, config.epochs + 1), f"{name}, epochs at most"):
            epochs_run = epoch
            _epoch(model, train, config, optimizer, rng, epoch - 1)
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
    return model.cpu().eval(), epochs_run, best


def _epoch(
    model: NextItemModel,
    train: Sequence[Items],
    config: SequentialConfig,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    done: int,
) -> None:
    model.train()
    batches = windows(train, config.history_length, config.batch_size, model.items, rng)
    for step, batch in enumerate(batches):
        if config.schedule == "linear":
            progress = (done + min(1.0, step * config.batch_size / len(train))) / config.epochs
            optimizer.param_groups[0]["lr"] = config.learning_rate * max(0.0, 1 - progress)
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
