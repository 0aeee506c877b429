"""The table of two reward models: a line for each model and objective, the item average beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Title and name of each figure; the item average's stand beside the model's own.
_COLUMNS = (
    ("AUC", "auc"),
    ("(average)", "item_average_auc"),
    ("GAUC", "gauc"),
    ("(average)", "item_average_gauc"),
    ("merged", "merged_gauc"),
    ("(average)", "item_average_merged_gauc"),
    ("ECE", "ece"),
    ("log-loss", "log_loss"),
)
_WIDTH = 10
_TITLES = {"items": "single items", "sessions": "whole sessions"}


def lines(details: Mapping[str, Any]) -> list[str]:
    """Return what a person wants to see of an artefact's details: both tables, and whether the gate was passed."""
    shown = [_users(details)]
    for size, title in _TITLES.items():
        shown += ["", *_table(title, details["held_out"][size])]
    gate = details["gate"]
    verdict = "passed" if gate["passed"] else "NOT passed"
    found = [*gate["problems"], *(f"warning: {warning}" for warning in gate["warnings"])]
    return [*shown, "", f"gate  {verdict}: {gate['rule']}", *(f"      {each}" for each in found)]


def _users(details: Mapping[str, Any]) -> str:
    users = details["users"]
    return (
        f"Held out: {users['held_out']:,} users; {users['model']:,} trained model, {users['judge']:,} judge. "
        f"Negatives: {details['negatives']}. (average): the item average, which knows nothing of the user. "
        "merged: the GAUC of the merged reward."
    )


def _table(title: str, tables: Mapping[str, Any]) -> list[str]:
    head = [f"{title:<16}", f"{'objective':<12}", f"{'rows':>8}", *(f"{name:>{_WIDTH}}" for name, _ in _COLUMNS)]
    rows = [
        " ".join([f"{model:<16}", f"{name:<12}", f"{entry['sessions']:>8,}", *map(_cell, _figures(entry))])
        for model, table in tables.items()
        for name, entry in table.items()
    ]
    return [" ".join(head), *rows]


def _figures(entry: Mapping[str, Any]) -> list[float | None]:
    return [entry[key] for _, key in _COLUMNS]


def _cell(figure: float | None) -> str:
    return f"{'–' if figure is None else f'{figure:.4f}':>{_WIDTH}}"
