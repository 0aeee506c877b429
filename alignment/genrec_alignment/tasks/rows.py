"""Rows of a mixture as token ids, streamed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from genrec_alignment.tasks.config import MixtureConfig
from genrec_alignment.tasks.mixture import Mixture
from genrec_alignment.tasks.source import TaskSource
from genrec_alignment.tasks.task import TaskRow

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    from genrec.data import Dataset
    from genrec.models.language import Chat
    from genrec.semantic_ids import Catalogue

_MADE_AT_ONCE = 200
Encoded = tuple[npt.NDArray[np.int32], npt.NDArray[np.int8]]


class Encoder:
    """Turns a row's text into token ids, and says which of them are learned.

    Args:
        chat: how the model is talked to.
    """

    def __init__(self, chat: Chat) -> None:
        self._completion, self._text = chat.completion, chat.text
        # Some prompts are the same in every row.
        self._prompt: Callable[[str], list[int]] = lru_cache(maxsize=256)(chat.prompt)

    def __call__(self, row: TaskRow) -> Encoded:
        """Return ``input_ids`` and ``completion_mask``, 1 where a token is learned, each [tokens]."""
        prompt = [] if row.prompt is None else self._prompt(row.prompt)
        answer = self._text(row.completion) if row.prompt is None else self._completion(row.given + row.completion)
        given = len(self._completion(row.given)) - len(self._completion("")) if row.given else 0
        learned = np.ones(len(prompt) + len(answer), dtype=np.int8)
        learned[: len(prompt) + given] = 0
        return np.array([*prompt, *answer], dtype=np.int32), learned


def task_rows(
    config: MixtureConfig,
    dataset: Dataset,
    catalogue: Catalogue,
    chat: Chat,
    history_length: int,
    seed: int,
    epoch: int,
    start: int = 0,
) -> datasets.IterableDataset:
    """Return the rows of an epoch as a stream; see :func:`stream_rows`.

    Raises:
        ArtifactError: if the semantic IDs are of other items than the dataset's.
        DataError: if the dataset lacks what a task needs.
        UnknownNameError: if a column that the settings name does not exist.
    """
    source = TaskSource.of(dataset, catalogue, config, history_length)
    return stream_rows(Mixture.of(config, source, seed), chat, epoch, start)


def stream_rows(mixture: Mixture, chat: Chat, epoch: int, start: int = 0) -> datasets.IterableDataset:
    """Return the rows of an epoch as a stream that makes each one when it is read.

    Columns: ``input_ids`` int32 [tokens], ``completion_mask`` int8 [tokens], ``task``.

    Args:
        mixture: the tasks and their shares.
        chat: how the model is talked to.
        epoch: chooses units, order, phrasings and windows.
        start: the first row that is wanted, below ``len(mixture)``: a run that was cut off goes on from there.
    """
    from datasets import Dataset, Features, List, Value

    kinds, units = mixture.plan(epoch)
    plan = Dataset.from_dict({"kind": kinds[start:], "unit": units[start:], "place": np.arange(start, len(kinds))})
    columns = {"input_ids": List(Value("int32")), "completion_mask": List(Value("int8")), "task": Value("string")}
    return (
        plan.to_iterable_dataset()
        .with_format("arrow")
        .map(
            _Maker(mixture, Encoder(chat), epoch),
            batched=True,
            batch_size=_MADE_AT_ONCE,
            remove_columns=plan.column_names,
            features=Features(columns),
        )
        .with_format(None)
    )


class _Maker:
    """Makes the rows of a piece of an epoch's plan."""

    def __init__(self, mixture: Mixture, encode: Encoder, epoch: int) -> None:
        self.mixture, self.encode, self.epoch = mixture, encode, epoch
        self.names = list(mixture.tasks)

    def __call__(self, plan: pa.Table) -> pa.Table:
        import pyarrow as pa

        tasks = [self.names[kind] for kind in plan["kind"].to_pylist()]
        places = zip(tasks, plan["unit"].to_pylist(), plan["place"].to_pylist(), strict=True)
        rows = [self.encode(self.mixture.row(task, unit, self.epoch, place)) for task, unit, place in places]
        columns = {"input_ids": [ids for ids, _ in rows], "completion_mask": [learned for _, learned in rows]}
        return pa.table({**{name: pa.array(values) for name, values in columns.items()}, "task": tasks})
