"""Which rows an epoch has: chosen by what is learned and by how the model reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from genrec.console import remark
from genrec.data import Dataset
from genrec.errors import DataError
from genrec.models import DecoderConfig, Generator
from genrec.models.onerec.config import LazyDecoderConfig
from genrec.models.tiger.config import T5Config
from genrec.processes import is_main_process
from genrec_alignment.pretraining.config import AnyModelConfig, TrainConfig
from genrec_alignment.pretraining.item_tasks import ItemWindows, NextItems
from genrec_alignment.pretraining.session_tasks import SessionTasks, describe, good_sessions
from genrec_alignment.pretraining.tasks import Tasks, TrainingLog
from genrec_alignment.pretraining.windows import Windows


def training_rows(
    config: TrainConfig,
    dataset: Dataset,
    generator: Generator,
    seed: int,
    features: npt.NDArray[np.integer] | None = None,
) -> tuple[Windows | Tasks, dict[str, Any]]:
    """Return the rows of an epoch, and figures about them for the manifest.

    Args:
        config: the ``train`` section.
        dataset: its training part is learned.
        generator: what is trained.
        seed: the seed of what chance decides.
        features: int [interactions, features] of the dataset; None where the model reads none.

    Raises:
        DataError: if there is nothing to learn from.
    """
    length, noise, catalogue = config.history_length, config.order_noise, generator.catalogue
    log = TrainingLog.of(dataset, features, generator.condenser)
    if not any(len(rows) > 1 for rows in log.users):
        raise DataError(
            f"{dataset.path}: no user has two interactions to train on.", "Loosen data.filters or data.split."
        )
    if isinstance(config.model, DecoderConfig):
        return Windows([dataset.sequences.items[rows] for rows in log.users], catalogue, length, seed, noise), {}
    has_table = bool(generator.model.config.items)
    item_rows = np.arange(1, len(catalogue) + 1) if has_table else np.zeros(len(catalogue), np.int64)
    if config.target == "session":
        sessions, report = good_sessions(dataset, config.session)
        if is_main_process():
            remark(describe(report))
        return SessionTasks(log, sessions, catalogue, item_rows, length, seed, noise), {"sessions": report}
    kind = ItemWindows if reads_causally(config.model) else NextItems
    return kind(log, catalogue, item_rows, length, seed, noise), {}


def reads_causally(model: AnyModelConfig) -> bool:
    """Say whether no event of a history looks at newer ones, so that every item of a window can be a target."""
    if isinstance(model, DecoderConfig | T5Config):
        return isinstance(model, DecoderConfig)
    whole = model.history.compression is not None or model.history.pathways is not None
    return not whole and (isinstance(model, LazyDecoderConfig) or model.causal_encoder)
