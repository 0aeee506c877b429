"""Amazon Industrial & Scientific as MiniOneRec prepares it (Kong et al. 2025, arXiv:2510.24431).

items.json               item → title, description (a Python list as text), brand
partial_sequences.json   user → items, oldest first
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import polars as pl

from genrec.data.config import DataConfig
from genrec.data.importers.readers import require
from genrec.data.importers.source import ROW, Source, Table, by_place
from genrec.errors import DataError


def locate(config: DataConfig) -> list[Path]:
    """Return the sequences and the items."""
    assert config.path is not None
    folder = config.path if config.path.is_dir() else config.path.parent
    files = [folder / "partial_sequences.json", folder / "items.json"]
    require(*files)
    return files


def read(_config: DataConfig, files: list[Path], _work: Path) -> Source:
    """Read the sequences, which have no times, and the items' texts; a row's number is its user's place."""
    sequences, items = (_load(file) for file in files)
    log = pl.LazyFrame(
        {"user_id": list(sequences), "item_id": [[str(item) for item in row] for row in sequences.values()]},
        schema={"user_id": pl.String, "item_id": pl.List(pl.String)},
    )
    log = by_place(log.with_row_index(ROW, offset=1), "item_id")
    texts = [
        {"item_id": item, "title": entry.get("title"), "brand": entry.get("brand"), "description": _joined(entry)}
        for item, entry in items.items()
    ]
    schema = dict.fromkeys(("item_id", "title", "brand", "description"), pl.String)
    catalogue = pl.LazyFrame(texts, schema=schema).with_row_index(ROW, offset=1)
    return Source(Table(str(files[0]), log), Table(str(files[1]), catalogue))


def _load(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{file} cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise DataError(f"{file} must hold one JSON object.")
    return content


def _joined(entry: dict[str, Any]) -> str:
    """Return the description, whose list of paragraphs is written as Python text."""
    text = str(entry.get("description") or "")
    try:
        parts = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return " ".join(map(str, parts)) if isinstance(parts, list) else text
