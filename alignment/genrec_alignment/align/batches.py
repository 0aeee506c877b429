"""The batches of a round: rows of the log in every step, and preference rows spread evenly over the steps.

OneRec (arXiv:2502.18965) draws for every sample whether it brings a preference row; here as many are dealt out in
equal shares, so that every step of several processes has the same number on each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
import torch

from genrec.models import Events
from genrec_alignment.align.next_tokens import NextTokens
from genrec_alignment.align.policy import PolicyModule
from genrec_alignment.preference.candidates import Float32
from genrec_alignment.preference.pairs import Pairs

_EPOCHS = 1000  # of a round at most, so that two rounds never cut the log alike
NO_PAIR = -1


@dataclass(frozen=True)
class Preferences:
    """Preference rows, ready to be learned.

    Args:
        pairs: the rows.
        histories: of each row, what the policy reads.
        reference: float32 [rows, 1 + losers], log-probabilities under the reference; 0 where there is no loser.
    """

    pairs: Pairs
    histories: Sequence[Events]
    reference: Float32

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True)
class Schedule:
    """Which rows of the log and which preference rows every batch has.

    Args:
        rows: rows of the log in an epoch.
        pairs: preference rows; those that do not divide among the processes are left out.
        steps: optimizer steps.
        batch_size: rows of the log in a batch of a process.
        processes: how many share a step.
        number: of the round.
        seed: of the order.
    """

    rows: int
    pairs: int
    steps: int
    batch_size: int
    processes: int
    number: int
    seed: int

    def dataset(self) -> datasets.Dataset:
        """Return one row for each sample, in their order: ``row`` and ``epoch`` of the log, and ``pair`` or -1."""
        samples = self.steps * self.processes * self.batch_size
        epochs = -(-samples // self.rows)
        rng = np.random.default_rng([self.seed, self.number])
        rows = np.concatenate([rng.permutation(self.rows) for _ in range(epochs)])[:samples]
        # A batch cuts all its rows in one epoch: that of its first one.
        first = np.arange(samples) // self.batch_size * self.batch_size
        epoch = self.number * _EPOCHS + first // self.rows
        return datasets.Dataset.from_dict({"row": rows, "epoch": epoch, "pair": self._placed(rng)})

    def _placed(self, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
        batches = np.full((self.steps, self.processes, self.batch_size), NO_PAIR, dtype=np.int64)
        # Where there are more pairs than samples, the rest is left out too.
        each = min(self.pairs // self.processes, self.steps * self.batch_size)
        bounds = np.arange(self.steps + 1) * each // self.steps
        order = rng.permutation(self.pairs)[: each * self.processes].reshape(each, self.processes)
        for step in range(self.steps):
            mine = order[bounds[step] : bounds[step + 1]]
            batches[step, :, : len(mine)] = mine.T
        return batches.ravel()


class Collator:
    """Makes a batch of samples.

    Args:
        next_tokens: the rows of the log.
        preferences: the preference rows; None where there are none.
        policy: knows what its model takes.
    """

    def __init__(self, next_tokens: NextTokens, preferences: Preferences | None, policy: PolicyModule) -> None:
        self.next_tokens, self.preferences, self.policy = next_tokens, preferences, policy

    def __call__(self, samples: list[dict[str, int]]) -> dict[str, Any]:
        """Return ``ntp``, and where there are preference rows what :meth:`PolicyModule.inputs` gives for them.

        Beside them: ``reference`` float [rows, 1 + losers], ``real`` bool and ``rewards`` float of the same shape.
        """
        rows = [sample["row"] for sample in samples]
        batch: dict[str, Any] = {"ntp": self.next_tokens.batch(rows, samples[0]["epoch"])}
        chosen = np.array([sample["pair"] for sample in samples if sample["pair"] != NO_PAIR], dtype=np.int64)
        if not len(chosen) or self.preferences is None:
            return batch
        pairs = self.preferences.pairs
        batch |= self.policy.inputs([self.preferences.histories[row] for row in chosen], pairs.items[chosen])
        rewards = np.concatenate([pairs.chosen_rewards[:, None], pairs.rejected_rewards], axis=1)[chosen]
        real = np.pad(pairs.real[chosen], ((0, 0), (1, 0)), constant_values=True)
        parts = {"reference": self.preferences.reference[chosen], "real": real, "rewards": rewards}
        return batch | {name: torch.from_numpy(values) for name, values in parts.items()}
