"""Give a training a teacher, and take it away again before the generator is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genrec.data import Dataset
from genrec.models.onerec.base import OneRecBase
from genrec_alignment.pretraining.tasks import Tasks
from genrec_alignment.teacher.alignment import TeacherAlignment
from genrec_alignment.teacher.config import TeacherConfig
from genrec_alignment.teacher.vectors import teacher_vectors

if TYPE_CHECKING:
    from genrec_alignment.pretraining.trainer import HistoryTrainer, PretrainingTrainer


def add_teacher(trainer: HistoryTrainer, config: TeacherConfig, dataset: Dataset, folder: Path) -> None:
    """Have ``trainer`` align its model's user vectors with the teacher's, which are kept in ``folder``.

    Under several processes the first one makes the vectors and the others read them.

    Raises:
        DataError: if the items have no titles, or the teacher cannot be read.
        MissingPackageError: if a bundled model is not installed.
    """
    with trainer.accelerator.main_process_first():
        vectors = teacher_vectors(config, dataset, folder)
    offsets = dataset.sequences.offsets
    owners = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    model = trainer.generator.model
    assert isinstance(model, OneRecBase)
    assert isinstance(trainer.rows, Tasks)
    trainer.teacher = TeacherAlignment(model, vectors, owners, config)
    trainer.rows.users_of = trainer.teacher.users


def forget_teacher(trainer: PretrainingTrainer) -> None:
    """Take the teacher's part off the model; nothing where there was no teacher."""
    teacher = getattr(trainer, "teacher", None)
    if teacher is not None:
        teacher.remove()
