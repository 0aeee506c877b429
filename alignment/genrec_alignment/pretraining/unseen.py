"""Items of the catalogue that the training part never shows."""

from __future__ import annotations

import numpy as np
import torch

from genrec.data import Dataset
from genrec.models import Generator
from genrec.models.onerec.base import OneRecBase


def blank_unseen_items(generator: Generator, dataset: Dataset) -> None:
    """Set the vectors of items that training never shows to zero, which says "unknown", and not something random.

    With an item head they do not stay there: every step teaches them as answers that were wrong.

    Args:
        generator: untrained; nothing happens where its items have no vectors of their own.
        dataset: what it will be trained on.
    """
    model = generator.model
    if not isinstance(model, OneRecBase) or model.events.items is None:
        return
    seen = np.concatenate([*dataset.sequences.part("train"), np.zeros(0, np.int32)])
    unseen = np.setdiff1d(np.arange(len(generator.catalogue)), seen)
    with torch.no_grad():
        model.events.items.weight[torch.from_numpy(1 + unseen)] = 0.0
