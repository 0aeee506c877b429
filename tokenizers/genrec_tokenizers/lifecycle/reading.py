"""Read a file of new items as a dataset's catalogue is read, and report all that is wrong with it at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from genrec.data.catalogue import check_items, parse_items
from genrec.data.config import Problems
from genrec.data.importers.readers import first_line, scan
from genrec.data.importers.source import Source
from genrec.errors import DataError
from genrec.semantic_ids import Catalogue
from genrec_tokenizers.lifecycle.add import already_there


def read_new_items(file: Path, catalogue: Catalogue) -> pl.DataFrame:
    """Return the items of a CSV, TSV, JSON-lines or Parquet file: ``item_id``, ``title``, and further text columns.

    Rows equal in all columns count as one; image paths are relative to the file.

    Args:
        file: its first line names the columns, where it is delimited text.
        catalogue: the items that are there already.

    Raises:
        DataError: with every problem of the file at once: items without an id, items listed twice with different
            contents, broken images, items that the catalogue has already.
    """
    if not file.is_file():
        raise DataError(f"There is no file {file}.")
    with TemporaryDirectory() as work:
        table = scan(file, Path(work))
        if "item_id" not in table.columns:
            found = ", ".join(table.columns)
            raise DataError(f"{file} has no column 'item_id'; it has: {found}.", "Rename the column with the ids.")
        source = Source(log=table, items=table, image_folder=file.parent)  # of which only the items are read
        try:
            items, findings = check_items(source, parse_items(table), None, Problems())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(table.diagnose() or f"{file} cannot be read: {first_line(error)}.") from error
    # Without its kind a finding names no setting of genrec data, which has no say here.
    problems = [replace(finding, kind="").message() for finding in findings if finding.action == "raise"]
    problems += already_there(items["item_id"].to_list(), catalogue)
    if problems:
        raise DataError([problem.removesuffix(" Correct the rows.") for problem in problems], "Nothing was added.")
    return items
