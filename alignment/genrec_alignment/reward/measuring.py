"""How well a reward model tells sessions apart: a table with one entry an objective."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_alignment.reward.config import RewardConfig
from genrec_alignment.reward.fusion import merged_reward
from genrec_eval.metrics.auc import auc, grouped_auc
from genrec_eval.metrics.calibration import calibration_error, log_loss

Table = dict[str, dict[str, float | int | None]]


def measure(
    labels: npt.NDArray[np.floating],
    probabilities: npt.NDArray[np.floating],
    average: npt.NDArray[np.floating],
    users: npt.NDArray[np.integer],
    config: RewardConfig,
) -> Table:
    """Return AUC, GAUC over users, both of the item average too, ECE, log-loss and counts for every objective.

    ``merged_gauc`` is that of the merged reward, turned over where an objective weighs against a session: a policy
    follows the merged reward, whichever objective it was meant for. ``item_average_merged_gauc`` is the same of the
    item averages, merged by the same weights.

    For the AUCs a label of at least one half is a positive; the others take labels as they are.

    Args:
        labels: float [sessions, objectives], from 0 to 1.
        probabilities: float [sessions, objectives], or with the learned score in one more column.
        average: float [sessions, objectives], of :class:`~genrec_alignment.reward.average.ItemAverage`.
        users: int [sessions].
        config: names the objectives.
    """
    names = [objective.name for objective in config.objectives]
    if not len(users):
        return {}
    weights = np.array([objective.weight for objective in config.objectives])
    merged, by_items = merged_reward(probabilities, weights), average @ weights
    columns = zip(labels.T, probabilities.T[: len(names)], average.T, weights, strict=True)
    entries = [
        _entry(truth, predicted, by_item, users)
        | {
            "merged_gauc": _merged(truth, merged, weight, users),
            "item_average_merged_gauc": _merged(truth, by_items, weight, users),
        }
        for truth, predicted, by_item, weight in columns
    ]
    return dict(zip(names, entries, strict=True))


def _merged(
    truth: npt.NDArray[np.floating],
    merged: npt.NDArray[np.floating],
    weight: float,
    users: npt.NDArray[np.integer],
) -> float | None:
    found = grouped_auc(truth >= 0.5, -merged if weight < 0 else merged, users)[0]
    return None if found is None else round(found, 4)


def _entry(
    truth: npt.NDArray[np.floating],
    predicted: npt.NDArray[np.floating],
    average: npt.NDArray[np.floating],
    users: npt.NDArray[np.integer],
) -> dict[str, float | int | None]:
    positive = truth >= 0.5
    by_user, covered = grouped_auc(positive, predicted, users)
    figures = {
        "auc": auc(positive, predicted),
        "gauc": by_user,
        "gauc_covers": covered,
        "item_average_auc": auc(positive, average),
        "item_average_gauc": grouped_auc(positive, average, users)[0],
        "ece": calibration_error(truth, predicted),
        "log_loss": log_loss(truth, predicted),
        "mean_label": float(truth.mean()),
    }
    rounded = {name: None if figure is None else round(figure, 4) for name, figure in figures.items()}
    return {"sessions": len(truth), "positives": int(positive.sum()), **rounded}


def gate(tables: dict[str, Table], config: RewardConfig) -> dict[str, object]:
    """Return whether every model may be used for every objective that counts in the merged reward.

    It may if its AUC is large enough. There is a warning where the merged reward's GAUC is below that of the item
    averages, merged by the same weights: what orders the items of one user no better than that leads every user to
    the same favourites. The merged reward is asked and not the tower, since it alone orders a policy's candidates.

    Args:
        tables: the table of each model, on single items of users it never saw.
        config: has the threshold and the weights.
    """
    entries = [
        (f"{model}: held-out", repr(objective.name), table.get(objective.name, {}))
        for model, table in tables.items()
        for objective in config.objectives
        if objective.weight
    ]
    problems = [f"{who} {text}" for who, name, entry in entries if (text := _problem(name, entry, config.gate))]
    warnings = [f"{who} {text}" for who, name, entry in entries if (text := _warning(name, entry))]
    return {
        "passed": not problems,
        "rule": f"AUC at least {config.gate}",
        "least_auc": config.gate,
        "problems": problems,
        "warnings": warnings,
    }


def _problem(name: str, entry: dict[str, float | int | None], least: float) -> str | None:
    area = entry.get("auc")
    if area is None:
        return f"AUC of {name} cannot be measured, one class is missing"
    return f"AUC of {name} is {area}, below {least}" if area < least else None


def _warning(name: str, entry: dict[str, float | int | None]) -> str | None:
    ours, average = entry.get("merged_gauc"), entry.get("item_average_merged_gauc")
    if ours is None or average is None or ours >= average:
        return None
    return f"GAUC of the merged reward for {name} is {ours}, below the item average's {average}"
