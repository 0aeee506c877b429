"""Pairs of segments, one of which is preferred: by a rule, or as somebody has judged them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from genrec.errors import DataError
from genrec_alignment.prefrec.steps import Bools, Float64, Int64, Steps

_COLUMNS = [f"{side}_{part}" for side in ("better", "worse") for part in ("user", "first", "last")]


@dataclass(frozen=True)
class SegmentPairs:
    """Pairs of segments; a segment is some sessions of one user, one after the other.

    Args:
        better: int64 [pairs, 2], the first row of the preferred segment and the row behind its last.
        worse: of the same shape.
        incomparable: pairs that were drawn, but about which nothing can be said.
    """

    better: Int64
    worse: Int64
    incomparable: int = 0

    def __len__(self) -> int:
        return len(self.better)

    def __getitem__(self, rows: slice | Int64) -> SegmentPairs:
        return SegmentPairs(self.better[rows], self.worse[rows])


def pairs_by_return(steps: Steps, sessions: int, pairs: int, rng: np.random.Generator) -> SegmentPairs:
    """Draw pairs of segments and prefer the one whose user came back sooner. The rule is ours.

    A segment counts the days that its user stayed away after each of its sessions. Where the log ends
    before the user is back, the days are at least that many: such a segment may lose to a shorter one, but not win.

    Args:
        steps: the log.
        sessions: of a segment.
        pairs: how many are drawn.
        rng: draws them.

    Raises:
        ValueError: if fewer than two users' segments of that many sessions are there, or none can be compared.
    """
    first = _segments(steps, sessions)
    if len(first) < 2:
        raise ValueError(f"the log has {len(first)} segments of {sessions} sessions, but two are needed")
    days = _days(steps, first, sessions)
    over = steps.returned[first + sessions - 1]
    one, other = rng.integers(len(first), size=(2, pairs))
    left, right = _shorter(days, over, one, other), _shorter(days, over, other, one)
    kept = left | right
    if not kept.any():
        raise ValueError("no two segments can be compared: all are alike, or the log ends too soon after them")
    better, worse = np.where(left, one, other)[kept], np.where(left, other, one)[kept]
    rows = np.stack([steps.session_rows[first], steps.session_rows[first + sessions]], axis=1)
    return SegmentPairs(rows[better], rows[worse], int((~kept).sum()))


def _segments(steps: Steps, sessions: int) -> Int64:
    """Return the first session of every segment, int64 [segments]."""
    users = steps.session_users
    last = len(users) - sessions + 1
    if sessions < 1 or last < 1:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(users[:last] == users[sessions - 1 :])


def _days(steps: Steps, first: Int64, sessions: int) -> Float64:
    total = np.concatenate([[0.0], steps.away.cumsum()])
    return total[first + sessions] - total[first]


def _shorter(days: Float64, over: Bools, one: Int64, other: Int64) -> Bools:
    """Say of which pairs the first is known to be shorter."""
    # Sums of the same numbers in another order may differ by rounding.
    shorter: Bools = over[one] & (days[one] < days[other] - 1e-9)
    return shorter


def pairs_from_file(file: Path, steps: Steps, user_ids: Sequence[str]) -> SegmentPairs:
    """Read pairs that people, or another rule, have judged: one row a pair.

    The columns are ``better_user``, ``better_first``, ``better_last`` and the same three with ``worse_``: a user's
    id, and the first and the last of their sessions, counted from 0.

    Args:
        file: Parquet, or CSV, or JSON lines, as its name ends (``.parquet``, ``.csv``, else JSON lines).
        steps: the log.
        user_ids: the id of each of its users.

    Raises:
        DataError: with every kind of mistake, and the first row that has it.
    """
    table = _read(file)
    missing = [column for column in _COLUMNS if column not in table.columns]
    if missing or not len(table):
        what = f"lacks the column(s) {', '.join(missing)}" if missing else "has no rows"
        raise DataError(f"{file} {what}.", f"It needs one row a pair, with {', '.join(_COLUMNS)}.")
    known = pl.DataFrame({"user": list(user_ids), "index": np.arange(len(user_ids))})
    found = {side: _rows_of(table, side, steps, known) for side in ("better", "worse")}
    problems = [problem for _, problems in found.values() for problem in problems]
    if problems:
        raise DataError([f"{file}: {problem}" for problem in problems], "Sessions of a user count from 0.")
    return SegmentPairs(found["better"][0], found["worse"][0])


def _read(file: Path) -> pl.DataFrame:
    if not file.is_file():
        raise DataError(f"There is no file {file}.", "Give the file of the judged pairs.")
    if file.suffix == ".parquet":
        return pl.read_parquet(file)
    return pl.read_csv(file) if file.suffix == ".csv" else pl.read_ndjson(file)


def _rows_of(table: pl.DataFrame, side: str, steps: Steps, known: pl.DataFrame) -> tuple[Int64, list[str]]:
    """Return the rows of one side's segments, int64 [pairs, 2], and what is wrong with them."""
    users = table.select(pl.col(f"{side}_user").cast(pl.String).alias("user"))
    index = users.join(known, on="user", how="left", maintain_order="left")["index"].fill_null(-1).to_numpy()
    first, last = (table[f"{side}_{end}"].to_numpy().astype(np.int64) for end in ("first", "last"))
    starts = np.searchsorted(steps.session_users, index)
    counts = np.searchsorted(steps.session_users, index, side="right") - starts
    unknown = (index < 0) | (counts == 0)
    outside = ~unknown & ((first < 0) | (last < first) | (last >= counts))
    problems = []
    for wrong, what in ((unknown, "a user whom the log does not have"), (outside, "sessions that the user lacks")):
        if wrong.any():
            problems.append(
                f"{int(wrong.sum())} row(s) name {what} as {side}, the first is row {wrong.argmax() + 1}."
            )
    if problems:
        return np.zeros((0, 2), dtype=np.int64), problems
    ends = [steps.session_rows[starts + first], steps.session_rows[starts + last + 1]]
    return np.stack(ends, axis=1), []
