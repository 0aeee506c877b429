"""Look at a stranger's files and guess how to import them: the layout if it is a known one, else the columns."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from genrec.data import importers
from genrec.data.columns import guess_catalogue, guess_log
from genrec.data.config import DataConfig
from genrec.data.importers.amazon import edition_of, is_metadata
from genrec.data.importers.movielens import layout_of
from genrec.data.importers.readers import scan, sniff_header
from genrec.data.importers.source import ROW
from genrec.errors import DataError

SAMPLE = 5_000
_TABLES = re.compile(r"\.(csv|tsv|txt|dat|data|parquet|pq|jsonl|ndjson|json)(\.gz)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Guess:
    """How to import what lies at a path.

    Args:
        data: the values of the section ``data`` that differ from the defaults.
        because: what was seen, and what each guess rests on, a line each.
    """

    data: dict[str, Any]
    because: list[str] = field(default_factory=list)


def guess(path: Path) -> Guess:
    """Guess how to import a file or a folder.

    Raises:
        DataError: if nothing there looks like a log, with what was looked at, or its files are not complete.
    """
    if not path.exists():
        raise DataError(f"There is no file or folder {path}.")
    found = _known_layout(path) or _amazon(path) or _table(path)
    config = DataConfig.model_validate(found.data)
    importers.find(config.source).locate(config)
    return found


def _known_layout(path: Path) -> Guess | None:
    """Recognise a published layout by its files' names."""
    folder = path if path.is_dir() else path.parent
    given = "" if path.is_dir() else path.name
    names = {file.name for file in folder.iterdir()}

    def here(pattern: str) -> bool:
        return bool(re.fullmatch(pattern, given)) if given else any(re.fullmatch(pattern, name) for name in names)

    layouts = {
        "kuaisar": here(r"df\.csv") and "video_features.csv" in names,
        "abxi": here(r".*_preprocessed\.txt") and "item_map.json" in names,
        "minionerec": here(r"partial_sequences\.json|items\.json") and "partial_sequences.json" in names,
        "movielens": layout_of(folder) is not None and here(r"(ratings|movies)\.(csv|dat)|u\.data|ml-100k\.inter"),
        "recbole": here(r".*\.inter"),
        "sequences": here(r".*\.seq\.txt"),
    }
    for source, fits in layouts.items():
        if fits:
            return Guess(
                {"source": source, "path": str(path)}, [f"The files are laid out as the source {source!r}."]
            )
    return None


def _amazon(path: Path) -> Guess | None:
    """Recognise Amazon's reviews and metadata by their fields."""
    files = [file for file in _candidates(path) if re.search(r"\.jsonl?(\.gz)?$", file.name)]
    reviews = [file for file in files if _is_review(file)]
    if not reviews:
        return None
    data = {"source": "amazon", "path": str(reviews[0])}
    because = [f"{reviews[0].name} has the fields of Amazon's reviews."]
    metadata = [file for file in files if file not in reviews and is_metadata(file)]
    if metadata:
        data["items"] = str(metadata[0])
        because.append(f"{metadata[0].name} has the fields of Amazon's metadata.")
    return Guess(data, because)


def _is_review(file: Path) -> bool:
    try:
        return bool(edition_of(file))
    except DataError:
        return False


def _table(path: Path) -> Guess:
    """Find the log among the tables at a path, and its catalogue among the others."""
    files = _candidates(path)
    if not files:
        raise DataError(
            f"{path} holds no CSV, TSV, Parquet or JSON-lines file.", "Give the path of the log itself."
        )
    samples = {file: _sample(file) for file in files}
    logs = {file: found for file, sample in samples.items() if (found := guess_log(sample))}
    if not logs:
        seen = [
            f"{file.name} has the columns {', '.join(sample.columns) or 'none'}" for file, sample in samples.items()
        ]
        remedy = "Write a config with data.source=table and name the columns; see docs/data.md."
        raise DataError([f"No file at {path} looks like a log of users and items.", *seen], remedy)
    log = max(logs, key=lambda file: (logs[file].certain, file.stat().st_size))
    columns = logs[log]
    data: dict[str, Any] = {"source": "table", "path": str(log), "columns": columns.names}
    because = [f"{log.name} is taken as the log.", *columns.because]
    items = set(samples[log][columns.names["item_id"]].drop_nulls().cast(pl.String))
    for file, sample in samples.items():
        if file != log and (catalogue := guess_catalogue(sample, items, file.parent)):
            data |= {"items": str(file), "item_columns": catalogue.names}
            because += [f"{file.name} is taken as the catalogue.", *catalogue.because]
            break
    return Guess(data, because)


def _candidates(path: Path) -> list[Path]:
    """Return the tables at a path: a file, and those beside it, largest first; or those of a folder."""
    folder = path if path.is_dir() else path.parent
    files = [file for file in folder.iterdir() if file.is_file() and _TABLES.search(file.name)]
    files.sort(key=lambda file: (file != path, -file.stat().st_size))
    return files if path.is_dir() or path in files else [path, *files]


def _sample(file: Path) -> pl.DataFrame:
    """Return the first rows of a table, or none if it cannot be read as one."""
    with tempfile.TemporaryDirectory() as work:
        try:
            table = scan(file, Path(work), header=sniff_header(file))
            return table.rows.head(SAMPLE).drop(ROW).collect()
        except (DataError, pl.exceptions.PolarsError, OSError):
            return pl.DataFrame()
