"""Amazon across two domains, as preprocessed by ABXI (https://github.com/DiMarzioBian/ABXI).

*_preprocessed.txt   a user, then ``item|seconds`` for each interaction, separated by blanks
item_map.json        ASIN → [item, domain]
"""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from genrec.data.config import DataConfig
from genrec.data.importers.readers import require, scan_lines
from genrec.data.importers.source import ORDER, ROW, Source, Table, by_place
from genrec.errors import DataError


def locate(config: DataConfig) -> list[Path]:
    """Return the sequences and the map of items."""
    assert config.path is not None
    folder = config.path if config.path.is_dir() else config.path.parent
    found = sorted(folder.glob("*_preprocessed.txt")) if config.path.is_dir() else [config.path]
    if len(found) != 1:
        raise DataError(
            f"{folder} must hold one *_preprocessed.txt, but holds {len(found)}.", "Name it as data.path."
        )
    files = [found[0], config.items or folder / "item_map.json"]
    require(*files)
    return files


def read(_config: DataConfig, files: list[Path], _work: Path) -> Source:
    """Read the sequences under the items' ASINs, each with its domain; there is no text."""
    items = _item_map(files[1])
    lines = scan_lines(files[0])
    words = pl.col("line").str.strip_chars().str.split(" ")
    rows = by_place(lines.rows.select(ROW, user_id=words.list.first(), pair=words.list.slice(1)), "pair")
    pair = pl.col("pair").str.split("|")
    rows = rows.select(*ORDER, "user_id", number=pair.list.first(), timestamp=pair.list.get(1, null_on_oob=True))
    rows = rows.join(items.lazy(), on="number", how="left", maintain_order="left")
    log = rows.select(*ORDER, "user_id", "timestamp", "domain", item_id=pl.coalesce("item_id", "number"))
    return Source(
        lines.over(log), Table(str(files[1]), items.lazy().select("item_id").with_row_index(ROW, offset=1))
    )


def _item_map(file: Path) -> pl.DataFrame:
    try:
        entries = [
            (asin, str(number), str(domain)) for asin, (number, domain) in json.loads(file.read_text()).items()
        ]
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{file} must map each ASIN to [item, domain]: {error}.") from error
    return pl.DataFrame(
        entries, schema={"item_id": pl.String, "number": pl.String, "domain": pl.String}, orient="row"
    )
