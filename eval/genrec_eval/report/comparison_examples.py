"""The same users before several models: what they did, what came next, and each model's list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from genrec_eval.report.compared import Compared
from genrec_eval.results import EXAMPLES_FILE

Example = dict[str, Any]
_MOST = 8


def side_by_side(compared: Compared, most: int = _MOST) -> list[Example]:
    """Return the examples that the evaluations kept, those kept by the most runs first.

    Each has ``user_id``, ``history``, ``history_length``, ``targets``, ``lists`` (by model, of the runs that kept
    it) and ``places``: by model, the rank of each target, 0 where it is not in the list, which is known of all.
    """
    found: dict[tuple[str, ...], Example] = {}
    for run in compared.runs:
        for row in json.loads((run.path / "evaluation" / EXAMPLES_FILE).read_text(encoding="utf-8")):
            wanted = [target["item_id"] for target in row["targets"]]
            about = {name: row[name] for name in ("user_id", "history", "history_length", "targets")}
            example = found.setdefault((row["user_id"], *wanted), {**about, "lists": {}})
            example["lists"][compared.name_of(run.label, row["model"])] = row["items"]
    chosen = sorted(found.values(), key=lambda example: -len(example["lists"]))[:most]
    return [{**example, "places": _places(compared, example)} for example in chosen]


def _places(compared: Compared, example: Example) -> dict[str, list[int]]:
    wanted = [target["item_id"] for target in example["targets"]]
    row = _row(compared.targets, example["user_id"], wanted)
    ranks = {entry.name: entry.ranks[row] for entry in compared.entries}
    return {name: rank.to_list() if isinstance(rank, pl.Series) else [rank] for name, rank in ranks.items()}


def _row(targets: pl.DataFrame, user: str, wanted: Sequence[str]) -> int:
    """Return which row of the ranks an example is."""
    rows = targets.with_row_index("row").filter(pl.col("user_id") == user)
    for row, items in rows.select("row", "item_id").iter_rows():
        if (items if isinstance(items, list) else [items]) == list(wanted):
            return int(row)
    raise ValueError(f"an example of user {user} is not among the ranks")
