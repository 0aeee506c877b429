"""KuaiSAR-R, short videos shown and clicked or not (Sun et al. 2023, arXiv:2306.07705).

df.csv               user_id, video_id, timestamp (ms), is_click; rows of one moment are one request
video_features.csv   video_id and four levels of anonymous categories
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from genrec.data.config import DataConfig
from genrec.data.importers.readers import require, scan_delimited
from genrec.data.importers.source import Source

_LEVELS = ("first", "second", "third", "fourth")


def locate(config: DataConfig) -> list[Path]:
    """Return the exposures and the videos."""
    assert config.path is not None
    folder = config.path if config.path.is_dir() else config.path.parent
    files = [folder / "df.csv", folder / "video_features.csv"]
    require(*files)
    return files


def read(_config: DataConfig, files: list[Path], _work: Path) -> Source:
    """Read the exposures, behavior ``click`` or ``skip``; a user's exposures of one moment are a request."""
    log = scan_delimited(files[0], ",").pick(
        user_id="user_id", item_id="video_id", timestamp="timestamp", behavior="is_click"
    )
    clicked = pl.when(pl.col("behavior") == "1").then(pl.lit("click")).otherwise(pl.lit("skip"))
    log = log.adding(behavior=clicked, request_id=pl.format("{}:{}", "user_id", "timestamp"))
    levels = {f"{level}_category": f"{level}_level_category_name" for level in _LEVELS}
    items = scan_delimited(files[1], ",").pick(item_id="video_id", **levels)
    words = {name: pl.format(f"{name.replace('_', ' ')} {{}}", name) for name in levels}
    return Source(log, items.adding(**words), ["the videos have no text; their category numbers stand in for it"])
