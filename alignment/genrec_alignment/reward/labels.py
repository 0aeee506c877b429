"""Which interactions count for which objective, and whether there is anything to tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec.data import Dataset, Sequences
from genrec.errors import DataError, suggest
from genrec_alignment.reward.config import Objective, RewardConfig

Labels = npt.NDArray[np.float32]


def interaction_labels(dataset: Dataset, config: RewardConfig) -> Labels:
    """Return 1 where an interaction counts for an objective and else 0, float32 [interactions, objectives].

    An interaction whose kind or value is not known does not count.

    Raises:
        DataError: naming every objective that this log cannot have, or that has one class only in training.
    """
    sequences = dataset.sequences
    if problems := _missing(sequences, config.objectives):
        raise DataError(problems, "Change reward.objectives, or import the columns with genrec data.")
    labels = np.stack([_counts(sequences, objective) for objective in config.objectives], axis=1)
    problems = _one_class(labels[sequences.splits == 0], config) + _without_first(labels, config.objectives)
    if problems:
        raise DataError(
            problems,
            "Change what counts; where a log has positive rows only, take reward.negatives=sampled.",
        )
    return labels.astype(np.float32)


def _missing(sequences: Sequences, objectives: Sequence[Objective]) -> list[str]:
    kinds = [] if sequences.behaviors is None else [str(kind) for kind in sequences.behaviors.drop_nulls().unique()]
    problems = []
    for objective in objectives:
        for name in objective.behaviors:
            if name not in kinds:
                problems.append(
                    f"Objective {objective.name!r}: the log has no behavior {name!r}.{suggest(name, kinds)}"
                )
        if _has_limits(objective) and (sequences.values is None or np.isnan(sequences.values).all()):
            problems.append(f"Objective {objective.name!r} reads values, but the log has none.")
    return problems


def _counts(sequences: Sequences, objective: Objective) -> npt.NDArray[np.bool_]:
    counted = np.zeros(len(sequences.items), dtype=bool)
    if objective.behaviors and sequences.behaviors is not None:
        counted |= sequences.behaviors.is_in(objective.behaviors).fill_null(False).to_numpy()
    if _has_limits(objective) and sequences.values is not None:
        least = -np.inf if objective.min_value is None else objective.min_value
        most = np.inf if objective.max_value is None else objective.max_value
        counted |= (sequences.values >= least) & (sequences.values <= most)  # NaN is neither
    return counted


def _without_first(labels: npt.NDArray[np.bool_], objectives: Sequence[Objective]) -> list[str]:
    column = {objective.name: at for at, objective in enumerate(objectives)}
    problems = []
    for objective in objectives:
        if objective.after is None:
            continue
        count = int((labels[:, column[objective.name]] & ~labels[:, column[objective.after]]).sum())
        if count:
            problems.append(
                f"Objective {objective.name!r} comes after {objective.after!r}, but {count:,} interactions count "
                f"for it alone: what counts for {objective.name!r} must count for {objective.after!r} too."
            )
    return problems


def _has_limits(objective: Objective) -> bool:
    return objective.min_value is not None or objective.max_value is not None


def _one_class(labels: npt.NDArray[np.bool_], config: RewardConfig) -> list[str]:
    problems = []
    for objective, column in zip(config.objectives, labels.T, strict=True):
        if not column.any():
            problems.append(f"Objective {objective.name!r}: no interaction of the training part counts.")
        elif column.all() and config.negatives == "exposures":
            problems.append(f"Objective {objective.name!r}: every interaction of the training part counts.")
    return problems
