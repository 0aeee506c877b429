"""RecBole's atomic files: ``x.inter``, ``x.item`` and ``x.user``, tab-separated, with ``name:type`` in the header.

https://recbole.io/docs/user_guide/data/atomic_files.html
"""

from __future__ import annotations

from pathlib import Path

from genrec.data.config import DataConfig
from genrec.data.importers.readers import require, scan_delimited
from genrec.data.importers.source import Source, Table
from genrec.data.importers.table import read_items, read_log, read_users
from genrec.errors import DataError

_TITLES = ("title", "movie_title", "name", "item_name", "product_title")
_VALUES = ("rating", "value", "weight")


def locate(config: DataConfig) -> list[Path]:
    """Return ``x.inter`` and, where they exist, ``x.item`` and ``x.user``."""
    assert config.path is not None
    log = config.path
    if log.is_dir():
        logs = sorted(log.glob("*.inter"))
        if len(logs) != 1:
            names = ", ".join(file.name for file in logs) or "none"
            raise DataError(f"{log} must hold one .inter file, but holds {names}.", "Name the file as data.path.")
        log = logs[0]
    require(log, *(file for file in (config.items, config.users) if file))
    return [log, *(file for file in _beside(log, config) if file)]


def read(config: DataConfig, files: list[Path], _work: Path) -> Source:
    """Read the files; ``token`` and ``token_seq`` columns of the catalogue are text unless others are named."""
    log, _ = _scan(files[0])
    columns = config.columns.model_dump()
    columns["value"] = columns["value"] or _first(_VALUES, log.columns)
    items, users = _beside(files[0], config)
    return Source(
        read_log(log, columns),
        _items(items, config) if items else None,
        users=read_users(_scan(users)[0], config.user_columns) if users else None,
    )


def _beside(log: Path, config: DataConfig) -> tuple[Path | None, Path | None]:
    """Return the catalogue and the users: the files that are named, or those beside the log where there are any."""
    items = config.items or log.with_suffix(".item")
    users = config.users or log.with_suffix(".user")
    return items if items.is_file() else None, users if users.is_file() else None


def _items(file: Path, config: DataConfig) -> Table:
    items, types = _scan(file)
    mapped = config.item_columns
    title = mapped.title or _first(_TITLES, items.columns)
    key = mapped.item_id or "item_id"
    texts = mapped.text or tuple(
        n for n, kind in types.items() if kind.startswith("token") and n not in (key, title)
    )
    return read_items(items, mapped.model_copy(update={"title": title, "text": texts}))


def _scan(file: Path) -> tuple[Table, dict[str, str]]:
    """Return the table with the types taken off the column names, and the type of each column."""
    table = scan_delimited(file, "\t")
    split = {name: name.partition(":") for name in table.columns}
    types = {name: kind for name, _, kind in split.values()}
    return table.over(table.rows.rename({full: name for full, (name, _, _) in split.items()})), types


def _first(wanted: tuple[str, ...], known: list[str]) -> str | None:
    return next((name for name in wanted if name in known), None)
