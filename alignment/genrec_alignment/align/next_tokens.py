"""What keeps a policy at its trade: rows of the log for the next-token loss, as its own training had them.

OneRec (arXiv:2502.18965) keeps this loss on in every step of its preference alignment.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from genrec.data import Dataset
from genrec.errors import ArtifactError
from genrec.models import Generator
from genrec_alignment.align.asking import Log
from genrec_alignment.align.requests import Ints, Requests, moments
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.rows import training_rows
from genrec_alignment.pretraining.tasks import Tasks
from genrec_alignment.pretraining.windows import IGNORED, Collator, Windows


class NextTokens(ABC):
    """The rows of an epoch; every epoch may cut them anew."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, rows: Sequence[int], epoch: int) -> dict[str, Tensor]:
        """Return the arguments with which the policy's model gives the loss of some rows."""


class WindowRows(NextTokens):
    """Windows of histories, for decoders."""

    def __init__(self, windows: Windows) -> None:
        self.windows, self.collate = windows, Collator(windows.catalogue.vocabulary.pad_id)
        self._rows = windows.as_dataset()

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, rows: Sequence[int], epoch: int) -> dict[str, Tensor]:
        """Return ``input_ids``, ``attention_mask`` and ``labels``."""
        self.windows.epoch = epoch
        return self.collate([{"input_ids": ids} for ids in self._rows[list(rows)]["input_ids"]])


class TaskRows(NextTokens):
    """Histories with what came after them, for models of the OneRec family."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks

    def __len__(self) -> int:
        return len(self.tasks)

    def batch(self, rows: Sequence[int], epoch: int) -> dict[str, Tensor]:
        """Return what :class:`genrec.models.history_model.HistoryModel` takes."""
        self.tasks.epoch = epoch
        return self.tasks(rows)


class PromptRows(NextTokens):
    """Prompts with the next items, for language models: one row for each ``history_length`` items of a user.

    Args:
        log: what the policy reads.
        requests: all moments of the training part, of all users.
        seed: of the choice of moments, which is another one in every epoch.
    """

    def __init__(self, log: Log, requests: Requests, seed: int) -> None:
        self.log, self.requests, self.seed = log, requests, seed
        self._users, self._first, counts = np.unique(requests.users, return_index=True, return_counts=True)
        self._counts: Ints = counts.astype(np.int64)
        self._owner = np.repeat(np.arange(len(counts)), -(-self._counts // log.generator.history_length))

    def __len__(self) -> int:
        return len(self._owner)

    def batch(self, rows: Sequence[int], epoch: int) -> dict[str, Tensor]:
        """Return ``input_ids``, ``attention_mask`` and ``labels``; what is learned are the items' codes alone."""
        asked, generator = self.requests[self._moments(rows, epoch)], self.log.generator
        prompts = generator.prompts(self.log.events(asked))
        assert isinstance(prompts, list)
        codes = [generator.tokens[np.asarray(items)].ravel().tolist() for items in asked.targets]
        width = max(len(prompt) + len(code) for prompt, code in zip(prompts, codes, strict=True))
        ids = torch.zeros((len(rows), width), dtype=torch.int64)
        labels, mask = torch.full_like(ids, IGNORED), torch.zeros_like(ids)
        for row, (prompt, code) in enumerate(zip(prompts, codes, strict=True)):
            end = len(prompt) + len(code)
            ids[row, :end], mask[row, :end] = torch.tensor([*prompt, *code]), 1
            labels[row, len(prompt) : end] = torch.tensor(code)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    def _moments(self, rows: Sequence[int], epoch: int) -> Ints:
        owners = self._owner[list(rows)]
        draws = [
            np.random.default_rng([self.seed, epoch, row]).integers(self._counts[self._owner[row]]) for row in rows
        ]
        return np.asarray(self._first[owners] + np.array(draws), dtype=np.int64)


def next_tokens(log: Log, config: dict[str, Any], length: int, seed: int) -> NextTokens:
    """Return the rows that a generator was trained on, those of a language model as its serving asks.

    Args:
        log: the run's dataset, and the generator.
        config: the settings that made the generator, from its manifest.
        length: items of a candidate.
        seed: of what chance decides.

    Raises:
        ArtifactError: if the generator was made by settings that this version does not know.
    """
    generator, dataset = log.generator, log.dataset
    if generator.language is not None:
        users = np.arange(len(dataset.sequences))
        return PromptRows(log, moments(dataset, users, length), seed)
    rows, _ = training_rows(_settings(config, dataset), dataset, generator, seed, _features(generator, dataset))
    return WindowRows(rows) if isinstance(rows, Windows) else TaskRows(rows)


def _features(generator: Generator, dataset: Dataset) -> Any:
    return None if generator.features is None else generator.features.table(dataset)


def _settings(config: dict[str, Any], dataset: Dataset) -> TrainConfig:
    try:
        return TrainConfig.model_validate({name: value for name, value in config.items() if name != "seed"})
    except ValidationError as error:
        raise ArtifactError(
            f"The generator beside {dataset.path} was trained with settings that cannot be read: {error}",
            "Train it again: genrec train",
        ) from error
