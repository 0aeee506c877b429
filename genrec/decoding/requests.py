"""Histories as they are asked about, made into what a generator can read: known items, and no more than fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec.console import remark_once
from genrec.decoding.support import positions_of
from genrec.errors import ArtifactError
from genrec.models.generator import Generator
from genrec.models.histories import Events

History = npt.NDArray[np.integer] | Events


def readable(generator: Generator, histories: Sequence[History], length: int = 1) -> list[History]:
    """Return histories cut at their old end to what the generator reads; the first cut of a process is told.

    Args:
        generator: what will read them.
        histories: item indices or events, oldest first; may be empty.
        length: how many items will be generated after each.

    Raises:
        ArtifactError: if the generator does not write sessions of this length.
        ValueError: if an ``item_index`` is not in the catalogue.
    """
    most, items = _most_events(generator, length), len(generator.catalogue)
    if any(len(one) and not 0 <= _items(one).min() <= _items(one).max() < items for one in histories):
        raise ValueError(f"a history holds an item_index outside 0 … {items - 1}")
    if any(len(one) > most for one in histories):
        remark_once(f"The generator reads the latest {most} events of a history; longer ones are cut.")
    return [one.latest(most) if isinstance(one, Events) else one[max(0, len(one) - most) :] for one in histories]


def _items(history: History) -> npt.NDArray[np.integer]:
    return history.items if isinstance(history, Events) else np.asarray(history)


def _most_events(generator: Generator, length: int) -> int:
    """Return how many events may stand before ``length`` generated items."""
    if generator.reads_events:
        _check_trained_for(generator, length)
        return generator.history_length
    levels = generator.vocabulary.levels
    # The prompt's other tokens are run besides, and the last code is not.
    room = (positions_of(generator.model) + 1 - generator.fixed_tokens) // levels - length
    if room < 1 and length > 1:
        raise ArtifactError(
            f"The generator has {positions_of(generator.model)} positions, which a session of {length} items of "
            f"{levels} codes fills up: no history would fit.",
            "Ask for shorter sessions, or train a generator with a greater train.history_length.",
        )
    return min(generator.history_length, max(0, room))


def _check_trained_for(generator: Generator, length: int) -> None:
    trained = generator.model.config.session_length
    if length <= trained:
        return
    what = "one item at a time" if trained == 1 else f"sessions of {trained} items"
    raise ArtifactError(
        f"This generator was trained to write {what}, not sessions of {length}.",
        "Train one on sessions, as alignment/recipes/generator-onerec.yaml does: train.target=session "
        f"train.session.length={length}",
    )
