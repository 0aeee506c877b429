"""The steps of an import, one function each: type, check, filter, sort, cut, split, write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genrec.console import console
from genrec.data import chunks as chunking
from genrec.data.catalogue import check_items, parse_items
from genrec.data.config import DataConfig, Filters
from genrec.data.filters import check_behaviors, k_core, row_filters
from genrec.data.importers.readers import first_line
from genrec.data.importers.source import Source, Table
from genrec.data.parsing import RAW_NUMBER, RAW_TIME, parse_log
from genrec.data.profiles import FILE as USERS
from genrec.data.profiles import write_users
from genrec.data.sessions import check_sessions
from genrec.data.splits import plan_split
from genrec.data.summary import describe
from genrec.data.validation import Finding, find, kept_rows, log_checks, raise_if_any
from genrec.data.writing import write_interactions
from genrec.errors import DataError
from genrec.runs import Draft


def build_dataset(source: Source, config: DataConfig, seed: int, draft: Draft, work: Path) -> None:
    """Write the tables of a dataset into a draft and describe them in its details.

    Args:
        source: what an importer read.
        config: the settings of the section ``data``.
        seed: decides who is held out when users are split.
        draft: the artefact in the making.
        work: a folder for scratch files.

    Raises:
        DataError: with every problem of the input at once.
    """
    log = _store(parse_log(source.log, config.time_format), work / "log.parquet", source.log)
    time_unit = "ms" if "timestamp" in log.collect_schema() else "ordinal"
    check_sessions(config.sessions, log.collect_schema().names(), time_unit)
    log, items, findings = _check(source, log, config, work)
    log, losses = _filter(log, config.filters, source.log.file)
    chunks = chunking.sort_into_chunks(
        log,
        items["item_id"],
        work,
        keep_repeated=config.problems.repeated_interactions != "drop",
        with_times=config.split.by == "temporal" and time_unit == "ms",
    )
    if chunks.repetitions:
        action = config.problems.repeated_interactions
        what, file = "interactions that repeat another in everything", source.log.file
        findings.append(Finding("repeated_interactions", what, file, chunks.repetitions, chunks.examples, action))
        raise_if_any(findings)
    kept = k_core(
        chunks.users, chunks.items, config.filters.min_user_interactions, config.filters.min_item_interactions
    )
    losses += _loss("outside the k-core", source.log.file, len(kept) - int(kept.sum()))
    if not kept.any():
        raise DataError(f"{source.log.file}: no interaction is left.", _account(losses, findings))
    users = int(np.count_nonzero(np.diff(chunks.users[kept]))) + 1  # they are sorted
    times = chunks.timestamps[kept] if len(chunks.timestamps) else chunks.timestamps
    plan = plan_split(config.split, times, users, time_unit, seed)
    figures = write_interactions(
        chunks, kept, plan, config.sessions, len(items), draft.path / "interactions.parquet"
    )
    if not config.keep_unseen_items:
        items = items.filter(pl.Series(figures.item_counts > 0))
    items.write_parquet(draft.path / "items.parquet")
    draft.details |= describe(figures, items, plan, config, time_unit, findings, losses, source.notes)
    if source.users:
        known = write_users(source.users, draft.path / "interactions.parquet", draft.path / USERS)
        draft.details["users"] = known


def _store(rows: pl.LazyFrame, file: Path, table: Table) -> pl.LazyFrame:
    """Stream rows made from a table into a scratch file and return a scan of it."""
    try:
        with console.status(f"Reading {table.file}"):
            rows.sink_parquet(file, compression="lz4", engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(table.diagnose() or f"{table.file} cannot be read: {first_line(error)}.") from error
    return pl.scan_parquet(file)


def _check(
    source: Source, log: pl.LazyFrame, config: DataConfig, work: Path
) -> tuple[pl.LazyFrame, pl.DataFrame, list[Finding]]:
    """Check the log and the catalogue together, and return both without the rows to be dropped."""
    named = log.select("item_id").drop_nulls().unique().collect(engine="streaming").sort("item_id")
    findings: list[Finding] = []
    if source.items is None:
        items, unknown = named.with_columns(title=pl.lit(None, dtype=pl.String)), named.clear()
    else:
        parsed = _store(parse_items(source.items), work / "items.parquet", source.items)
        items, findings = check_items(source, parsed, None if config.keep_unseen_items else named, config.problems)
        unknown = named.join(items, on="item_id", how="anti")
    checks = log_checks(log.collect_schema().names(), unknown["item_id"])
    findings += find(log, source.log.file, checks, config.problems)
    raise_if_any(findings)
    if config.problems.unknown_items == "keep":
        items = pl.concat([items, unknown], how="diagonal")
    log = log.filter(kept_rows(checks, findings)).drop(RAW_TIME, RAW_NUMBER, strict=False)
    return log, items.sort("item_id"), findings


def _filter(log: pl.LazyFrame, config: Filters, file: str) -> tuple[pl.LazyFrame, list[dict[str, Any]]]:
    """Apply the row filters in order and count what each drops."""
    columns = log.collect_schema().names()
    filters = row_filters(config, columns)
    if config.behaviors:
        present = log.select("behavior").drop_nulls().unique().collect(engine="streaming")["behavior"].to_list()
        check_behaviors(config.behaviors, present)
    passed, sums = pl.lit(True), []
    for name, keeps in filters.items():
        sums.append((passed & ~keeps).sum().alias(name))
        passed &= keeps
    counts = log.select(sums).collect(engine="streaming").row(0, named=True) if sums else {}
    losses = [loss for name, count in counts.items() for loss in _loss(name, file, count)]
    return log.filter(passed), losses


def _loss(what: str, file: str, count: int) -> list[dict[str, Any]]:
    return [{"what": f"interactions {what}", "file": file, "count": count, "examples": []}] if count else []


def _account(losses: list[dict[str, Any]], findings: list[Finding]) -> str:
    dropped = [*(finding.record() for finding in findings if finding.action == "drop"), *losses]
    lines = [f"  {entry['count']:,} {entry['what']}" for entry in dropped]
    return "\n".join(["Dropped were:", *lines] if lines else ["The file holds no rows."])
