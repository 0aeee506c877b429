"""The history that a person asks about: a user of the run's dataset, or item ids typed in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genrec.console import remark
from genrec.errors import suggest

if TYPE_CHECKING:
    from genrec.models import Events, Generator

_SHOWN = 5


def history_of_user(user: str, run: Path, generator: Generator) -> Events:
    """Return everything a user of the run's dataset did, with the features that the generator reads.

    Raises:
        UnknownNameError: if there is no such user.
    """
    from genrec.data import Dataset

    dataset = Dataset.load(run / "dataset")
    items = dataset.history(user)
    features = None
    if generator.features is not None:
        first = dataset.sequences.offsets[dataset.user_index_of[user]]
        features = generator.features.table(dataset)[first : first + len(items)]
    return _known([dataset.item_ids[item] for item in items], features, generator)


def typed_history(text: str, generator: Generator) -> Events:
    """Return a history of item ids separated by commas; of such events nothing else is known."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    features = generator.features.encode(names) if generator.features is not None else None
    return _known(names, features, generator)


def _known(names: list[str], features: np.ndarray | None, generator: Generator) -> Events:
    """Return the events whose items the catalogue has; say how many it has not."""
    from genrec.models import Events

    catalogue = generator.catalogue
    known = np.array([name in catalogue.index_of for name in names], dtype=bool)
    unknown = [name for name, there in zip(names, known, strict=True) if not there]
    if unknown:
        shown = ", ".join(repr(name) for name in unknown[:_SHOWN]) + (", …" if len(unknown) > _SHOWN else "")
        close = suggest(unknown[0], catalogue.item_ids).split(" Available:")[0]
        remark(f"Not in the catalogue and left out: {len(unknown)} of {len(names)} items: {shown}.{close}")
    items = catalogue.indices(name for name, there in zip(names, known, strict=True) if there)
    return Events(items, None if features is None else features[known])
