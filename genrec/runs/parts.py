"""Long work on rows, kept part by part, so that what was interrupted goes on from where it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from genrec.console import remark
from genrec.runs.manifest import plain

_MARK = "work.sha256"


class Parts:
    """A folder of tables, one for each part of a work that is done; whatever interrupts it, they are whole.

    Args:
        folder: where they lie; a folder of other work is emptied.
        work: what the parts depend on: settings, inputs, seed.
        resume: whether to keep the parts that are there.
    """

    def __init__(self, folder: Path, work: dict[str, Any], resume: bool) -> None:
        self.folder = Path(folder)
        text = json.dumps(plain(work), sort_keys=True)
        mark = hashlib.sha256(text.encode()).hexdigest()
        file = self.folder / _MARK
        same = file.is_file() and file.read_text(encoding="utf-8") == mark
        if not (resume and same):
            if self.folder.exists():
                why = "its settings or inputs differ" if not same else "--resume was not given"
                remark(f"Leaving the interrupted work in {self.folder} aside, because {why}.")
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            file.write_text(mark, encoding="utf-8")

    def __contains__(self, part: int) -> bool:
        """Say whether a part is done."""
        return self._file(part).is_file()

    def write(self, part: int, table: pl.DataFrame) -> None:
        """Keep what a part came to."""
        beside = self._file(part).with_suffix(".new")
        table.write_parquet(beside)
        beside.replace(self._file(part))

    def table(self) -> pl.DataFrame:
        """Return all parts, one below the other in the order of their numbers; there must be one."""
        return pl.concat([pl.read_parquet(file) for file in sorted(self.folder.glob("*.parquet"))])

    def remove(self) -> None:
        """Remove the folder, when all of it is somewhere else."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, part: int) -> Path:
        return self.folder / f"{part:08}.parquet"
