"""Whether items that begin alike belong to the same category."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec_tokenizers.collisions import groups_of

_SHUFFLES = 5
_LIST = re.compile(r"\s*[|,/;>]\s*")


def purity(codes: npt.NDArray[np.integer], categories: list[str], seed: int = 0) -> list[dict[str, float]]:
    """Return, for each length of prefix, the share of items that are of the commonest category of their prefix.

    Items without a category, and those alone with their prefix, do not count: alone, every item is pure.

    Args:
        codes: [items, levels].
        categories: one an item; empty where it is unknown.
        seed: of the shuffles.

    Returns:
        for each level ``purity`` and ``by_chance``, the same with the categories shuffled among the items: it
        rises with the number of prefixes, so purity means something only beside it.
    """
    known = np.array([bool(category) for category in categories])
    _, labels = np.unique(np.array(categories, dtype=str)[known], return_inverse=True)
    rng = np.random.default_rng(seed)
    figures = []
    for level in range(1, codes.shape[1] + 1):
        groups = groups_of(codes[known, :level]).of_item
        shuffled = [_purity(groups, rng.permutation(labels)) for _ in range(_SHUFFLES)]
        figures.append({"purity": _purity(groups, labels), "by_chance": float(np.mean(shuffled))})
    return figures


def category_columns(items: pl.DataFrame) -> dict[str, list[str]]:
    """Return the columns of a dataset's items that read like categories, with each item's value.

    Such a column is known for half of the items, and has at least two values but at most one for ten items. Of a
    list such as ``Animation, Comedy`` the first entry counts.
    """
    columns = {}
    for name, kind in items.schema.items():
        if kind != pl.String or name in ("item_id", "title", "image"):
            continue
        values = [_LIST.split(value.strip(), maxsplit=1)[0] for value in items[name].fill_null("").to_list()]
        distinct = len({value for value in values if value})
        if 2 <= distinct <= len(values) / 10 and sum(map(bool, values)) >= len(values) / 2:
            columns[name] = values
    return columns


def _purity(groups: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> float:
    """Return the share of items of groups of two and more that are of their group's commonest label."""
    sizes = np.bincount(groups)
    pairs, counts = np.unique(np.column_stack([groups, labels]), axis=0, return_counts=True)
    commonest = np.zeros(len(sizes), dtype=np.int64)
    np.maximum.at(commonest, pairs[:, 0], counts)
    shared = sizes > 1
    total = int(sizes[shared].sum())
    return float(commonest[shared].sum() / total) if total else 0.0


def category_purity(codes: npt.NDArray[np.integer], items: pl.DataFrame, seed: int = 0) -> dict[str, Any]:
    """Return :func:`purity` for each of a dataset's :func:`category_columns`."""
    return {name: purity(codes, values, seed) for name, values in category_columns(items).items()}
