"""The run's generator as something to be measured: what it reads of an example, and how it answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from genrec.data import Dataset
from genrec.decoding import Ranking, Recommender
from genrec.errors import ArtifactError
from genrec.models.histories import Events
from genrec_eval.config import EvaluateConfig
from genrec_eval.measure import AnyExamples, Histories, Recommend

DEFAULT_SESSION = 5  # items, where neither the settings nor a generator say how many


def open_generator(folder: Path, dataset: Dataset, batch_size: int) -> Recommender:
    """Return the recommender of a saved generator.

    Raises:
        ArtifactError: if its items are not those of the dataset.
    """
    recommender = Recommender.from_pretrained(folder, batch_size=batch_size)
    if recommender.catalogue.item_ids != dataset.item_ids:
        raise ArtifactError(
            f"{folder} was made from other items than {dataset.path} holds.",
            f"Train again: genrec train --run {folder.parent}",
        )
    return recommender


def session_length(config: EvaluateConfig, recommender: Recommender | None) -> int:
    """Return how many items a list for a session has."""
    trained = 1 if recommender is None else _trained_length(recommender)
    return config.session_length or (trained if trained > 1 else DEFAULT_SESSION)


def way_to_answer(config: EvaluateConfig, recommender: Recommender) -> str:
    """Return ``list`` or ``session``: as the settings say, else as the model was trained."""
    return config.generate or ("session" if _trained_length(recommender) > 1 else "list")


def answers(recommender: Recommender, dataset: Dataset, config: EvaluateConfig) -> Recommend:
    """Return a function from examples to the generator's lists.

    A model that reads features gets those of each example's history, never those of the target.
    """
    features = recommender.generator.features
    table = None if features is None else features.table(dataset)
    whole = config.target == "session" and way_to_answer(config, recommender) == "session"

    def recommend(examples: AnyExamples, k: int, exclude: Histories | None) -> Ranking:
        histories = _inputs(examples, table)
        if not whole:
            return recommender.recommend(histories, k, config.beams, exclude)
        found = recommender.sessions(histories, k, beams=config.beams, exclude=exclude)
        return Ranking(found.items[:, 0], found.item_scores[:, 0])

    return recommend


def _inputs(
    examples: AnyExamples, table: npt.NDArray[np.integer] | None
) -> Sequence[Events] | Sequence[npt.NDArray[np.integer]]:
    if table is None:
        return examples.histories
    if examples.starts is None or examples.stops is None:
        raise ValueError("the generator reads features, but these examples do not say which rows they are of")
    rows = zip(examples.histories, examples.starts, examples.stops, strict=True)
    return [Events(history, table[start:stop]) for history, start, stop in rows]


def _trained_length(recommender: Recommender) -> int:
    return int(getattr(recommender.generator.model.config, "session_length", 1))
