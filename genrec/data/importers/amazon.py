"""Amazon reviews and product metadata of 2014, 2018 and 2023, gzipped or plain.

    2014, 2018   reviews: reviewerID, asin, overall, unixReviewTime (seconds)
                 metadata: asin, title, brand, categories or category, description; 2014's lines are Python literals
    2023         reviews: user_id, parent_asin, rating, timestamp (milliseconds)
                 metadata: parent_asin, title, store, categories, description

http://jmcauley.ucsd.edu/data/amazon (2014), https://nijianmo.github.io/amazon (2018),
https://amazon-reviews-2023.github.io (2023)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from genrec.data.config import DataConfig
from genrec.data.importers.jsonlines import first_record, scan_json_lines
from genrec.data.importers.readers import require
from genrec.data.importers.source import Source, Table
from genrec.errors import DataError

_REVIEWS = {
    "2014/2018": {"user_id": "reviewerID", "item_id": "asin", "value": "overall", "timestamp": "unixReviewTime"},
    "2023": {"user_id": "user_id", "item_id": "parent_asin", "value": "rating", "timestamp": "timestamp"},
}
# Several years name one thing differently; the first field that a file has counts.
_METADATA = {
    "item_id": ("parent_asin", "asin"),
    "title": ("title",),
    "brand": ("brand", "store"),
    "categories": ("categories", "category"),
    "description": ("description",),
}


def locate(config: DataConfig) -> list[Path]:
    """Return the reviews and, where one is named, the metadata."""
    assert config.path is not None
    files = [config.path, *([config.items] if config.items else [])]
    require(*files)
    return files


def read(_config: DataConfig, files: list[Path], work: Path) -> Source:
    """Read the reviews as ratings, and title, brand, categories and description of the products."""
    fields = edition_of(files[0])
    log = scan_json_lines(files[0], work, fields=frozenset(fields.values())).pick(**fields)
    return Source(log, _metadata(files[1], work) if len(files) > 1 else None)


def edition_of(file: Path) -> dict[str, str]:
    """Return the fields of a file of reviews, told by its first record.

    Raises:
        DataError: if it is of none of the editions.
    """
    record = first_record(file)
    fields = _edition_or_none(record)
    if fields:
        return fields
    wanted = [", ".join(fields.values()) for fields in _REVIEWS.values()]
    raise DataError(
        f"{file} is no file of Amazon reviews: its first record has {', '.join(record) or 'no fields'}.",
        f"Expected are {' or '.join(wanted)}; other files can be read with data.source=table.",
    )


def is_metadata(file: Path) -> bool:
    """Say whether the first record of a file is a product's."""
    record = first_record(file)
    return (
        "title" in record and any(name in record for name in _METADATA["item_id"]) and not _edition_or_none(record)
    )


def _edition_or_none(record: dict[str, Any]) -> dict[str, str] | None:
    return next((fields for fields in _REVIEWS.values() if all(name in record for name in fields.values())), None)


def _metadata(file: Path, work: Path) -> Table:
    names = frozenset(name for options in _METADATA.values() for name in options)
    table = scan_json_lines(file, work, literals=True, fields=names)
    present = table.columns
    chosen = {new: next((name for name in options if name in present), None) for new, options in _METADATA.items()}
    if chosen["item_id"] is None:
        raise DataError(f"{file} is no file of Amazon metadata: its records have neither asin nor parent_asin.")
    items = table.pick(**chosen)
    cleaned = {name: _plain(name) for name in chosen if name != "item_id" and chosen[name]}
    return items.adding(**cleaned)


def _plain(name: str) -> pl.Expr:
    """Return a text column without HTML. Some titles of 2018 are scraps of script, not titles."""
    text: pl.Expr = pl.when(~pl.col(name).str.contains("getTime", literal=True)).then(pl.col(name))
    text = text.str.replace_all(r"<[^>]{0,200}>", " ")
    entities = {"&quot;": '"', "&#39;": "'", "&lt;": "<", "&gt;": ">", "&nbsp;": " ", "&amp;": "&"}
    for entity, sign in entities.items():
        text = text.str.replace_all(entity, sign, literal=True)
    return text.str.replace_all(r"\s+", " ").str.strip_chars()
