"""Train one reward model on the sessions of some users."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genrec.console import track
from genrec.models.histories import HistoryBatch
from genrec_alignment.pretraining.averaging import averaged, follow
from genrec_alignment.reward.config import RewardConfig
from genrec_alignment.reward.inputs import LoggedEvents, RewardInputs
from genrec_alignment.reward.network import SessionBatch, SessionRewardModel
from genrec_alignment.reward.sessions import Ints, Pieces, SessionLog

_VALIDATION = 0.1  # share of a model's users that say when to stop
_DECAY = 0.99  # of the running average of the weights, which is what is validated and kept
_BLIND = 0.1  # share of training histories whose features are hidden, so that a history without them is no surprise

Batch = tuple[HistoryBatch, SessionBatch, Tensor, Tensor]


class RewardTraining:
    """Trains models on one log.

    Args:
        log: sessions and labels.
        inputs: makes tensors.
        events: the log's events, of the rows in ``log.kept``.
        config: the settings.
    """

    def __init__(self, log: SessionLog, inputs: RewardInputs, events: LoggedEvents, config: RewardConfig) -> None:
        self.log, self.inputs, self.events, self.config = log, inputs, events, config

    def train(self, model: SessionRewardModel, users: Ints, seed: int) -> dict[str, float | int]:
        """Train ``model`` on the training sessions of ``users``; return the epochs and the validation loss.

        A tenth of the users only says when to stop; the averaged weights of the best epoch are kept. The caller's
        random state is left alone.
        """
        rng = np.random.default_rng(seed)
        shuffled = rng.permutation(users)
        judges = max(1, round(_VALIDATION * len(users)))
        validation = self._pieces(shuffled[:judges], np.random.default_rng(seed))
        optimizer = torch.optim.AdamW(
            model.parameters(), self.config.learning_rate, weight_decay=self.config.weight_decay
        )
        steps = itertools.count(1)
        best, best_state, best_epoch, epoch = np.inf, model.state_dict(), 0, 0
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for epoch in track(range(1, self.config.epochs + 1), "reward model, epochs at most"):
                self._epoch(model, self._pieces(shuffled[judges:], rng), optimizer, steps, rng)
                with averaged(optimizer):
                    loss = self.loss(model, validation)
                    if loss < best:
                        best, best_state, best_epoch = loss, copy.deepcopy(model.state_dict()), epoch
                if epoch - best_epoch >= self.config.patience:
                    break
        model.load_state_dict(best_state)
        model.eval()
        return {"epochs": epoch, "best_epoch": best_epoch, "validation_loss": round(float(best), 4)}

    def _pieces(self, users: Ints, rng: np.random.Generator) -> Pieces:
        pieces = self.log.pieces("train", users, self.config.session_length, rng)
        return self.log.with_sampled(pieces, rng) if self.config.negatives == "sampled" else pieces

    def _epoch(
        self,
        model: SessionRewardModel,
        pieces: Pieces,
        optimizer: torch.optim.Optimizer,
        steps: Iterator[int],
        rng: np.random.Generator,
    ) -> None:
        model.train()
        order = rng.permutation(len(pieces))
        for rows in np.array_split(order, max(1, len(order) // self.config.batch_size)):
            histories, sessions, labels, item_labels = self.batch(model, pieces[rows])
            loss = model.loss(forgetful(histories, rng), sessions, labels, item_labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            follow(optimizer, _DECAY, next(steps))

    def loss(self, model: SessionRewardModel, pieces: Pieces) -> float:
        """Return the mean loss of pieces, without training; 0 of none."""
        model.eval()
        total = 0.0
        with torch.inference_mode():
            for rows, part in self._parts(pieces):
                total += float(model.loss(*self.batch(model, part))) * len(rows)
        return total / max(1, len(pieces))

    def predict(self, model: SessionRewardModel, pieces: Pieces) -> npt.NDArray[np.float32]:
        """Return the probability of each objective, float32 [pieces, objectives], and the learned score, if any."""
        model.eval()
        found = [np.zeros((0, len(self.config.objectives) + (model.score is not None)), dtype=np.float32)]
        with torch.inference_mode():
            for _, part in self._parts(pieces):
                histories, sessions, *_ = self.batch(model, part)
                found.append(model(histories, sessions)[:, 0].sigmoid().float().cpu().numpy())
        return np.concatenate(found)

    def _parts(self, pieces: Pieces) -> Iterator[tuple[Sequence[int], Pieces]]:
        step = 4 * self.config.batch_size
        for start in range(0, len(pieces), step):
            rows = range(start, min(start + step, len(pieces)))
            yield rows, pieces[start : start + step]

    def batch(self, model: SessionRewardModel, pieces: Pieces) -> Batch:
        """Return histories, sessions [pieces, 1, m], and their labels and those of their items.

        All are on the model's device. Labels are float32 [pieces, 1, objectives] and [pieces, 1, m, objectives].
        """
        most = self.inputs.history_length
        ends = zip(pieces.starts.tolist(), pieces.stops.tolist(), strict=True)
        histories = self.inputs.histories([self.events.slice(start, stop, most) for start, stop in ends])
        sessions = self.inputs.sessions(pieces.items[:, None])
        labels = [pieces.labels, self.log.item_labels(pieces.rows)]
        together, alone = (torch.from_numpy(array[:, None]).to(model.device) for array in labels)
        return histories.to(model.device), sessions.to(model.device), together, alone


def forgetful(histories: HistoryBatch, rng: np.random.Generator) -> HistoryBatch:
    """Return training histories with a part of their events hidden, and some with all of their features hidden.

    The part is drawn for each history, from nothing to all: a few hundred users have few histories, and many parts
    of them.
    """
    kept = rng.random(histories.mask.shape) >= rng.random((len(histories), 1))
    known = rng.random((len(histories), 1, 1)) >= _BLIND
    device = histories.mask.device
    return replace(
        histories,
        mask=histories.mask & torch.from_numpy(kept).to(device),
        features=histories.features * torch.from_numpy(known).to(device),
    )
