"""Sequences without times, as the TIGER and S³-Rec line of papers uses them.

X.seq.txt     a user, then the user's items, oldest first, separated by blanks
X.items.tsv   item_id and title (or text), tab-separated; optional
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from genrec.data.config import DataConfig
from genrec.data.importers.readers import require, scan_delimited, scan_lines
from genrec.data.importers.source import ROW, Source, by_place
from genrec.errors import DataError

_ENDING = ".seq.txt"


def locate(config: DataConfig) -> list[Path]:
    """Return the sequences and, where there is one, the catalogue."""
    assert config.path is not None
    log = config.path
    if log.is_dir():
        found = sorted(log.glob(f"*{_ENDING}"))
        if len(found) != 1:
            names = ", ".join(file.name for file in found) or "none"
            raise DataError(f"{log} must hold one *{_ENDING}, but holds {names}.", "Name the file as data.path.")
        log = found[0]
    items = config.items or log.with_name(log.name.removesuffix(_ENDING) + ".items.tsv")
    require(log, *([items] if config.items else []))
    return [log, items] if items.is_file() else [log]


def read(_config: DataConfig, files: list[Path], _work: Path) -> Source:
    """Read the sequences; a row's number is its line's."""
    lines = scan_lines(files[0])
    words = pl.col("line").str.strip_chars().str.split(" ")
    rows = lines.rows.filter(pl.col("line").str.strip_chars() != "").select(
        ROW, user_id=words.list.first(), item_id=words.list.slice(1).list.drop_nulls()
    )
    log = lines.over(by_place(rows, "item_id"))
    if len(files) == 1:
        return Source(log)
    table = scan_delimited(files[1], "\t")
    title = "title" if "title" in table.columns else "text"
    return Source(log, table.pick(item_id="item_id", title=title), ["attribute ids, being anonymous, are left out"])
