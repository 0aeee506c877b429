"""How well a reward model tells sessions apart: a table with one entry an objective."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_alignment.reward.config import RewardConfig
from genrec_eval.metrics.auc import auc, grouped_auc
from genrec_eval.metrics.calibration import calibration_error, log_loss

Table = dict[str, dict[str, float | int | None]]


def measure(
    labels: npt.NDArray[np.floating],
    probabilities: npt.NDArray[np.floating],
    users: npt.NDArray[np.integer],
    config: RewardConfig,
) -> Table:
    """Return AUC, GAUC over users, ECE, log-loss and counts for every objective, rounded.

    For the two AUCs a label of at least one half is a positive; the others take labels as they are.

    Args:
        labels: float [sessions, objectives], from 0 to 1.
        probabilities: float [sessions, objectives].
        users: int [sessions].
        config: names the objectives.
    """
    names = [objective.name for objective in config.objectives]
    columns = zip(names, labels.T, probabilities.T, strict=True)
    return {name: _entry(truth, predicted, users) for name, truth, predicted in columns} if len(users) else {}


def _entry(
    truth: npt.NDArray[np.floating], predicted: npt.NDArray[np.floating], users: npt.NDArray[np.integer]
) -> dict[str, float | int | None]:
    positive = truth >= 0.5
    by_user, covered = grouped_auc(positive, predicted, users)
    figures = {
        "auc": auc(positive, predicted),
        "gauc": by_user,
        "gauc_covers": covered,
        "ece": calibration_error(truth, predicted),
        "log_loss": log_loss(truth, predicted),
        "mean_label": float(truth.mean()),
    }
    rounded = {name: None if figure is None else round(figure, 4) for name, figure in figures.items()}
    return {"sessions": len(truth), "positives": int(positive.sum()), **rounded}


def gate(tables: dict[str, Table], config: RewardConfig) -> dict[str, object]:
    """Return whether every model's AUC of every objective that counts in the merged reward is large enough.

    Args:
        tables: the table of each model, on single items of users it never saw.
        config: has the threshold and the weights.
    """
    problems = []
    for model, table in tables.items():
        for objective in config.objectives:
            area = table.get(objective.name, {}).get("auc")
            if objective.weight and (area is None or area < config.gate):
                what = "cannot be measured, one class is missing" if area is None else f"is {area}"
                problems.append(f"{model}: held-out AUC of {objective.name!r} {what}")
    return {"passed": not problems, "least_auc": config.gate, "problems": problems}
