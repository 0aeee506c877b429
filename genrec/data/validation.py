"""Find every problem of a log and a catalogue, then raise them all at once, or drop and count them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from genrec.data.config import Problems
from genrec.data.dataset import SPLITS
from genrec.data.importers.source import ROW
from genrec.data.parsing import EARLIEST, LATEST, RAW_NUMBER, RAW_TIME
from genrec.errors import DataError

SHOWN = 5
_REMEDIES = {
    "missing_ids": "Fill them in",
    "bad_timestamps": "Correct the rows, or set data.time_format to what the file holds",
    "timestamps_out_of_range": "Correct the rows, or set data.time_format (s, ms, us, ns)",
    "bad_values": "Correct the rows",
    "unknown_items": "Add the items to the catalogue",
    "duplicate_items": "Leave one of each",
    "empty_text": "Give the items a title",
    "broken_images": "Replace the files",
    "repeated_interactions": "Remove the repetitions",
}
_CHOICES = {
    name: [choice for choice in ("drop", "keep") if choice in info.annotation.__args__]  # type: ignore[union-attr]
    for name, info in Problems.model_fields.items()
}


@dataclass(frozen=True)
class Finding:
    """One kind of problem in one file.

    Args:
        kind: the key of ``data.problems`` that decides about it; empty where there is no choice.
        what: what is wrong, in words.
        file: where.
        count: how many rows have it.
        examples: the first few, each with its row.
        action: ``raise``, ``drop`` or ``keep``.
    """

    kind: str
    what: str
    file: str
    count: int
    examples: list[str] = field(default_factory=list)
    action: str = "raise"

    def message(self) -> str:
        """Return the finding and its remedy as one line for a person."""
        more = ", …" if self.count > len(self.examples) else ""
        seen = f": {', '.join(self.examples)}{more}" if self.examples else ""
        ways = [f"data.problems.{self.kind}={choice}" for choice in _CHOICES.get(self.kind, [])]
        remedy = ", or set ".join(
            [_REMEDIES.get(self.kind, "Correct the rows"), *([" or ".join(ways)] if ways else [])]
        )
        return f"{self.file}: {self.count:,} {self.what}{seen}. {remedy}."

    def record(self) -> dict[str, Any]:
        """Return the finding as the manifest keeps it."""
        return {"what": self.what, "file": self.file, "count": self.count, "examples": self.examples}


@dataclass(frozen=True)
class Check:
    """What is wrong with a row that meets a condition, and what to show of it."""

    kind: str
    what: str
    bad: pl.Expr
    shown: pl.Expr


def log_checks(columns: Sequence[str], unknown_items: pl.Series) -> list[Check]:
    """Return the checks that apply to a parsed log with these columns."""
    no_id = pl.any_horizontal(pl.col("user_id", "item_id").is_null())
    unknown = pl.col("item_id").is_in(unknown_items.implode())
    checks = [
        Check("missing_ids", "interactions without a user_id or an item_id", no_id, pl.lit("")),
        Check("unknown_items", "interactions with items the catalogue lacks", unknown, pl.col("item_id")),
    ]
    if "timestamp" in columns:
        time, unread = pl.col("timestamp"), pl.col(RAW_TIME)
        outside = (time < EARLIEST) | (time >= LATEST)
        year = pl.format("{} ms", time)
        checks += [
            Check(
                "bad_timestamps", "timestamps that are missing or unreadable", unread.is_not_null(), _quoted(unread)
            ),
            Check("timestamps_out_of_range", "timestamps before 1990 or after 2100", outside, year),
        ]
    if RAW_NUMBER in columns:
        number = pl.col(RAW_NUMBER)
        checks.append(
            Check("bad_values", "values that are not finite numbers", number.is_not_null(), _quoted(number))
        )
    if "split" in columns:
        wrong = ~pl.col("split").is_in(SPLITS).fill_null(False)
        what = f"rows whose split is none of {', '.join(SPLITS)}"
        checks.append(Check("", what, wrong, _quoted(pl.col("split").fill_null(""))))
    return checks


def find(rows: pl.LazyFrame, file: str, checks: Sequence[Check], policy: Problems) -> list[Finding]:
    """Count what each check finds, in one pass, and fetch the first rows of each kind that occurs.

    Args:
        rows: a table with the column ``row``.
        file: its path as messages show it.
        checks: the conditions.
        policy: what to do about each kind.
    """
    sums = rows.select(pl.col(ROW).filter(check.bad).len().alias(str(i)) for i, check in enumerate(checks))
    counts = sums.collect(engine="streaming").row(0)
    return [
        Finding(
            check.kind, check.what, file, count, _examples(rows, check), getattr(policy, check.kind or "", "raise")
        )
        for check, count in zip(checks, counts, strict=True)
        if count
    ]


def raise_if_any(findings: Sequence[Finding]) -> None:
    """Raise one error that holds every finding whose action is ``raise``.

    Raises:
        DataError: if there is one.
    """
    fatal = [finding.message() for finding in findings if finding.action == "raise"]
    if fatal:
        raise DataError(fatal)


def kept_rows(checks: Sequence[Check], findings: Sequence[Finding]) -> pl.Expr:
    """Return the condition that rows meet which no ``drop`` applies to."""
    dropped = {finding.what for finding in findings if finding.action == "drop"}
    bad = [check.bad.fill_null(False) for check in checks if check.what in dropped]
    return ~pl.any_horizontal(bad) if bad else pl.lit(True)


def _examples(rows: pl.LazyFrame, check: Check) -> list[str]:
    first = rows.filter(check.bad).select(ROW, shown=check.shown.cast(pl.String)).head(SHOWN).collect()
    return [f"row {row} ({shown})" if shown else f"row {row}" for row, shown in first.iter_rows()]


def _quoted(text: pl.Expr) -> pl.Expr:
    return pl.when(text == "").then(pl.lit("empty")).otherwise(pl.format("'{}'", text.str.slice(0, 40)))
