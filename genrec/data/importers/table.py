"""Any log in a CSV, TSV, Parquet or JSON-lines file, a catalogue and the users in others, by naming their columns.

Columns that already have genrec's names need not be named. A delimited file without a header is read by
calling its columns ``column_1``, ``column_2`` and so on.
"""

from __future__ import annotations

import re
import string
from pathlib import Path

import polars as pl

from genrec.data.config import DataConfig, ItemColumns, UserColumns
from genrec.data.importers.readers import require, scan
from genrec.data.importers.source import LOG_COLUMNS, Source, Table
from genrec.errors import DataError, suggest

_NUMBERED = re.compile(r"column_\d+")


def locate(config: DataConfig) -> list[Path]:
    """Return the log and, where they are named, the catalogue and the users."""
    assert config.path is not None
    files = [file for file in (config.path, config.items, config.users) if file]
    require(*files)
    return files


def read(config: DataConfig, files: list[Path], work: Path) -> Source:
    """Read the files under the configured column names."""
    columns = config.columns.model_dump()
    log = scan(files[0], work, header=not _any_numbered(columns.values()))
    items = users = None
    if config.items:
        mapped = config.item_columns
        named = [mapped.item_id, mapped.title, mapped.image, *mapped.text]
        items = read_items(scan(config.items, work, header=not _any_numbered(named)), mapped)
    if config.users:
        users = read_users(scan(config.users, work), config.user_columns)
    folder = (config.items or files[0]).parent
    return Source(read_log(log, columns), items, image_folder=folder, users=users)


def read_log(table: Table, columns: dict[str, str | None]) -> Table:
    """Return a log's table under genrec's names: mapped columns, and those that have the right name already."""
    known = table.columns
    own = {name: name for name in LOG_COLUMNS if name in known or name in ("user_id", "item_id")}
    return table.pick(**(own | {new: old for new, old in columns.items() if old}))


def read_items(table: Table, columns: ItemColumns) -> Table:
    """Return a catalogue's table under genrec's names; text columns keep their own."""
    known = table.columns
    title = columns.title or ("title" if "title" in known else None)
    image = columns.image or ("image" if "image" in known else None)
    if image and "{" in image:
        table, image = _fill_template(table, image), "image path"
    texts = {name: name for name in columns.text if name not in ("item_id", "title", "image")}
    return table.pick(item_id=columns.item_id or "item_id", title=title, image=image, **texts)


def read_users(table: Table, columns: UserColumns) -> Table:
    """Return a table of users under genrec's names: ``user_id`` and the chosen columns under their own."""
    key = columns.user_id or "user_id"
    chosen = columns.columns or [name for name in table.columns if name != key]
    return table.pick(user_id=key, **{name: name for name in chosen})


def _fill_template(table: Table, template: str) -> Table:
    """Add the column ``image path`` that a template such as ``img/{id}.jpg`` makes of the file's columns."""
    parts = list(string.Formatter().parse(template))
    fields = [name for _, name, _, _ in parts if name is not None]
    known = table.columns
    missing = [name for name in fields if name not in known]
    if missing:
        lines = [
            f"data.item_columns.image names {name!r}, no column of {table.file}.{suggest(name, known)}"
            for name in missing
        ]
        raise DataError(lines)
    pieces = [
        pl.lit(text) if name is None else pl.lit(text) + pl.col(name).cast(pl.String) for text, name, _, _ in parts
    ]
    return table.adding(**{"image path": pl.concat_str(pieces)})


def _any_numbered(names: object) -> bool:
    return any(name and _NUMBERED.fullmatch(name) for name in names)  # type: ignore[attr-defined]
