"""Training windows: stretches of users' histories as token sequences.

Every epoch visits a user once for each ``history_length`` items of its history, each time with a window
that starts anywhere. The start depends on seed, epoch, user and visit alone, so that a resumed run sees
what the uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Sampler

from genrec.semantic_ids import Catalogue

if TYPE_CHECKING:
    import datasets

IGNORED = -100  # the label that PyTorch's cross-entropy leaves out


class HasEpoch(Protocol):
    """What makes other things of the same rows in every epoch."""

    epoch: int


class Windows:
    """Cuts and tokenises windows; a transform for ``datasets.Dataset``.

    Args:
        histories: each user's training items, oldest first.
        catalogue: gives the items' tokens.
        history_length: items in a window, at most.
        seed: the seed of the windows' starts and of the noise.
        order_noise: every place is moved on by a random number below this before the items are put in
            order again, so that items at least that far apart never change places.
    """

    def __init__(
        self,
        histories: list[npt.NDArray[np.int32]],
        catalogue: Catalogue,
        history_length: int,
        seed: int,
        order_noise: float = 0.0,
    ) -> None:
        self.histories = [history for history in histories if len(history)]
        self.catalogue = catalogue
        self.history_length = history_length
        self.seed = seed
        self.order_noise = order_noise
        self.epoch = 0

    def as_dataset(self) -> datasets.Dataset:
        """Return one row for each visit of an epoch: ``user``, ``visit`` and ``length`` (items in its window)."""
        import datasets

        visits = self._visits
        rows = {
            "user": np.repeat(np.arange(len(visits)), visits),
            "visit": np.concatenate([np.zeros(0, np.int64), *(np.arange(count) for count in visits)]),
            "length": self.lengths,
        }
        return datasets.Dataset.from_dict(rows).with_transform(self)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Items in the window of each row of an epoch, int64 [rows]."""
        counts = np.array([len(history) for history in self.histories], dtype=np.int64)
        return np.repeat(np.minimum(counts, self.history_length), self._visits)

    @property
    def _visits(self) -> npt.NDArray[np.int64]:
        counts = np.array([len(history) for history in self.histories], dtype=np.int64)
        return -(-counts // self.history_length)

    def __call__(self, rows: dict[str, list[int]]) -> dict[str, list[Any]]:
        """Return ``input_ids`` for each row: BOS and the tokens of the items of its window."""
        vocabulary = self.catalogue.vocabulary
        windows = [self._window(user, visit) for user, visit in zip(rows["user"], rows["visit"], strict=True)]
        tokens = [[vocabulary.bos_id, *self.catalogue.tokens[window].ravel().tolist()] for window in windows]
        return {"input_ids": tokens}

    def _window(self, user: int, visit: int) -> npt.NDArray[np.int32]:
        history, rng = self.histories[user], np.random.default_rng([self.seed, self.epoch, user, visit])
        start = rng.integers(max(0, len(history) - self.history_length) + 1)
        window = history[start : start + self.history_length]
        places = np.arange(len(window)) + rng.uniform(0, self.order_noise, len(window))
        return window[np.argsort(places, kind="stable")]


class StepSampler(Sampler[int]):
    """Yields every row once an epoch, in random steps, each sorted by length.

    So that the parts of a step (:func:`genrec_alignment.pretraining.arguments.passes`) hold rows of about equal
    length. Steps of equal length would pad less still, and train far worse: on Amazon Beauty the NDCG@10 after four
    epochs was .0345 instead of .0418 (docs/experiments.md). Its epoch sets the windows' epoch too.

    Args:
        lengths: the length of each row.
        step_size: rows of one step over all processes.
        seed: the seed of the order.
        windows: what makes something of the rows in each epoch.
        filler: a row that stands for nothing and fills up the last step, so that several processes share it
            without learning any row twice; None leaves it short.
    """

    def __init__(
        self,
        lengths: npt.NDArray[np.integer],
        step_size: int,
        seed: int,
        windows: HasEpoch,
        filler: int | None = None,
    ) -> None:
        self.lengths = lengths
        self.step_size = step_size
        self.seed = seed
        self.windows = windows
        self.filler = filler

    def __len__(self) -> int:
        return len(self.lengths) + self._missing

    @property
    def _missing(self) -> int:
        return 0 if self.filler is None else -len(self.lengths) % self.step_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the order and the windows of an epoch."""
        self.windows.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.windows.epoch]).permutation(len(self.lengths))
        for start in range(0, len(order), self.step_size):
            rows = order[start : start + self.step_size]
            yield from rows[np.argsort(-self.lengths[rows], kind="stable")].tolist()
        if self.filler is not None:
            yield from [self.filler] * self._missing


class Collator:
    """Pads windows at the right and labels every item token; BOS and padding are not learned.

    Args:
        pad_id: the padding token.
    """

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        """Return ``input_ids``, ``attention_mask`` and ``labels``, each int64 [rows, longest]."""
        longest = max(len(row["input_ids"]) for row in rows)
        ids = torch.full((len(rows), longest), self.pad_id, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for at, row in enumerate(rows):
            length = len(row["input_ids"])
            ids[at, :length] = torch.tensor(row["input_ids"])
            mask[at, :length] = 1
        labels = ids.masked_fill(mask == 0, IGNORED)
        labels[:, 0] = IGNORED
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}
