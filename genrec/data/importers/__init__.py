"""Importers: one for each form that logs come in, found by name.

An importer is a module with two functions: ``locate(config)`` names the files it will read, so that a second
run can tell whether anything changed, and ``read(config, files, work)`` returns a :class:`Source`, lazily where
the format allows; ``work`` is a folder for scratch files.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from genrec.errors import UnknownNameError

if TYPE_CHECKING:
    from genrec.data.config import DataConfig
    from genrec.data.importers.source import Source

IMPORTERS = {
    "movielens": "MovieLens 100k to 32M; without a path the 100k that recbole bundles",
    "amazon": "Amazon reviews and metadata of 2014, 2018 or 2023",
    "sequences": "a user and then items on each line, without times (TIGER, S3-Rec)",
    "recbole": "RecBole's atomic files: .inter and .item",
    "kuaisar": "KuaiSAR-R: short videos shown, clicked or not",
    "abxi": "ABXI: Amazon across two domains",
    "minionerec": "MiniOneRec's Amazon Industrial: items.json and partial_sequences.json",
    "table": "any CSV, TSV, Parquet or JSON-lines file, by naming its columns",
}


# What these make of a file has changed, so that what they made of it before is not up to date.
REVISIONS = {"abxi": 2, "minionerec": 2, "sequences": 2}  # 1 mixed up what stood on one line


class Importer(Protocol):
    """What every importer module offers."""

    def locate(self, config: DataConfig, /) -> list[Path]:
        """Return the files that will be read."""

    def read(self, config: DataConfig, files: list[Path], work: Path, /) -> Source:
        """Return the log and the catalogue."""


def find(name: str) -> Importer:
    """Return the importer called ``name``.

    Raises:
        UnknownNameError: if there is none.
    """
    if name not in IMPORTERS:
        raise UnknownNameError("data.source", name, IMPORTERS)
    return cast(Importer, importlib.import_module(f"{__name__}.{name}"))
