"""From words and numbers to small integers: 0 is "unknown", the rest was seen in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

MOST_WORDS = 100
BUCKETS = 10


@dataclass(frozen=True)
class Words:
    """A vocabulary.

    Args:
        words: the words, the first of them has code 1.
        other: whether all further words share a last code; else they are unknown.
    """

    words: tuple[str, ...]
    other: bool = False

    @classmethod
    def fit(cls, column: pl.Series, most: int | None = None) -> Words:
        """Learn all words of a column, in order, or the ``most`` frequent and one code for all others."""
        counts = column.drop_nulls().cast(pl.String).to_frame("word").group_by("word").len()
        ranked = counts.sort(["len", "word"], descending=[True, False])["word"].to_list()
        return cls(tuple(sorted(ranked))) if most is None else cls(tuple(ranked[:most]), other=True)

    @property
    def size(self) -> int:
        """How many codes there are, with that of the unknown."""
        return 1 + len(self.words) + self.other

    def encode(self, column: pl.Series) -> npt.NDArray[np.int32]:
        """Return the code of each word; 0 for nulls."""
        text = column.cast(pl.String)
        codes = {word: code for code, word in enumerate(self.words, start=1)}
        default = pl.when(text.is_not_null()).then(1 + len(self.words)).otherwise(0) if self.other else pl.lit(0)
        coded = pl.select(pl.lit(text).replace_strict(codes, default=default, return_dtype=pl.Int32))
        return coded.to_series().to_numpy()

    def to_dict(self) -> dict[str, Any]:
        """Return the vocabulary as plain data."""
        return {"words": list(self.words), "other": self.other}


@dataclass(frozen=True)
class Buckets:
    """Half-open ranges of numbers: code k holds the numbers from edge k - 1 up to, without it, edge k.

    Args:
        edges: ascending, between the first code and the last.
    """

    edges: tuple[float, ...]

    @classmethod
    def fit(cls, column: pl.Series) -> Buckets:
        """Learn at most ``BUCKETS`` ranges that hold about equally many of a column's numbers."""
        numbers = column.drop_nulls().to_numpy()
        inner = np.quantile(numbers, np.arange(1, BUCKETS) / BUCKETS, method="inverted_cdf")
        return cls(tuple(float(edge) for edge in np.unique(inner) if edge > numbers.min()))

    @property
    def size(self) -> int:
        """How many codes there are, with that of the unknown."""
        return 2 + len(self.edges)

    def encode(self, column: pl.Series) -> npt.NDArray[np.int32]:
        """Return the code of each number; 0 for nulls and NaN."""
        numbers = column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
        codes = 1 + np.searchsorted(np.asarray(self.edges), numbers, side="right")
        return np.where(np.isnan(numbers), 0, codes).astype(np.int32)

    def to_dict(self) -> dict[str, Any]:
        """Return the edges as plain data."""
        return {"edges": list(self.edges)}


@dataclass(frozen=True)
class Liked:
    """Whether an event is positive feedback: 2 if its kind or its value says so, 1 if not, 0 if neither is known.

    Args:
        behaviors: the kinds that are.
        value: the smallest value that is; None: the value does not matter.
    """

    behaviors: tuple[str, ...] = ()
    value: float | None = None

    @property
    def size(self) -> int:
        """How many codes there are, with that of the unknown."""
        return 3

    def encode(self, column: pl.Series) -> npt.NDArray[np.int32]:
        """Return the codes of a column of structs of ``behavior`` and ``value``."""
        behavior, value = (column.struct.field(name) for name in ("behavior", "value"))
        liked = behavior.is_in(self.behaviors).fill_null(False)
        if self.value is not None:
            liked |= (value.is_not_nan() & (value >= self.value)).fill_null(False)
        known = (behavior.is_not_null() | value.is_not_null()).to_numpy()
        return np.where(liked.to_numpy(), 2, known).astype(np.int32)

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain data."""
        return {"behaviors": list(self.behaviors), "value": self.value}


Coder = Words | Buckets | Liked


def coder_from(data: Mapping[str, Any]) -> Coder:
    """Return the coder whose ``to_dict`` gave ``data``."""
    if "behaviors" in data:
        return Liked(tuple(data["behaviors"]), data["value"])
    return Words(tuple(data["words"]), data["other"]) if "words" in data else Buckets(tuple(data["edges"]))


def stack(columns: Sequence[npt.NDArray[np.int32]], rows: int) -> npt.NDArray[np.int32]:
    """Return columns side by side, int32 [rows, columns], also where there are none."""
    return np.stack(columns, axis=1) if columns else np.zeros((rows, 0), np.int32)
