"""The catalogue's side of an import: text columns cleaned, duplicates and images checked, unknown items found."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from genrec.data.config import Problems
from genrec.data.importers.source import ROW, Source, Table
from genrec.data.parsing import as_id
from genrec.data.validation import SHOWN, Check, Finding, find


def parse_items(items: Table) -> pl.LazyFrame:
    """Return a catalogue with ``item_id``, ``title`` first, every column text, blanks trimmed, empty as null."""
    schema = items.rows.collect_schema()
    names = [name for name in schema.names() if name not in (ROW, "item_id", "title")]
    title = (
        pl.lit(None, dtype=pl.String).alias("title") if "title" not in schema else as_id(schema["title"], "title")
    )
    texts = [as_id(schema[name], name) for name in names]
    return items.rows.select(pl.col(ROW).cast(pl.Int64), as_id(schema["item_id"], "item_id"), title, *texts)


def check_items(
    source: Source, parsed: pl.LazyFrame, wanted: pl.DataFrame | None, policy: Problems
) -> tuple[pl.DataFrame, list[Finding]]:
    """Return the catalogue's items, one row each, and what is wrong with them.

    Args:
        source: the catalogue's file and where its images lie.
        parsed: from :func:`parse_items`.
        wanted: one column ``item_id``: only these items are looked at; None for all.
        policy: what to do about each kind of problem.
    """
    assert source.items is not None
    file = source.items.file
    no_id = Check("missing_ids", "items without an item_id", pl.col("item_id").is_null(), pl.lit(""))
    findings = find(parsed, file, [no_id], policy)
    rows = parsed.filter(pl.col("item_id").is_not_null())
    if wanted is not None:
        rows = rows.join(wanted.lazy(), on="item_id", how="semi")
    items, duplicates = _one_row_each(rows.collect(engine="streaming").sort(ROW), file, policy)
    findings += duplicates
    checks = [Check("empty_text", "items without any text", _no_text(items), pl.format("item {}", "item_id"))]
    if "image" in items.columns:
        items = _resolve_images(items, source.image_folder)
        broken = [path for path in items["image"].drop_nulls() if not _is_image(Path(path))]
        bad = pl.col("image").is_in(broken)
        checks.append(Check("broken_images", "images that are missing or broken", bad, pl.col("image")))
        if policy.broken_images == "drop":
            findings += find(items.lazy(), file, checks, policy)
            return items.with_columns(image=pl.when(~bad).then("image")).drop(ROW), findings
    return items.drop(ROW), findings + find(items.lazy(), file, checks, policy)


def _one_row_each(items: pl.DataFrame, file: str, policy: Problems) -> tuple[pl.DataFrame, list[Finding]]:
    """Keep the first row of every item; rows equal in all columns are harmless, others are duplicates."""
    distinct = items.unique([name for name in items.columns if name != ROW], keep="first", maintain_order=True)
    first = distinct.unique("item_id", keep="first", maintain_order=True)
    findings = []
    if repeated := len(items) - len(distinct):
        findings.append(Finding("", "items listed again with the same contents", file, repeated, [], "drop"))
    if clashing := len(distinct) - len(first):
        again = distinct.join(first.select(ROW), on=ROW, how="anti", maintain_order="left").head(SHOWN)
        examples = [f"row {row} (item {item})" for row, item in again.select(ROW, "item_id").iter_rows()]
        what = "items listed again with other contents"
        findings.append(Finding("duplicate_items", what, file, clashing, examples, policy.duplicate_items))
    return first, findings


def _no_text(items: pl.DataFrame) -> pl.Expr:
    return pl.all_horizontal(
        pl.col(name).is_null() for name in items.columns if name not in (ROW, "item_id", "image")
    )


def _resolve_images(items: pl.DataFrame, folder: Path) -> pl.DataFrame:
    paths = [str((folder / path).resolve()) if path else None for path in items["image"].to_list()]
    return items.with_columns(image=pl.Series(paths, dtype=pl.String))


def _is_image(path: Path) -> bool:
    """Say whether a file is an image whose contents can be read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.verify()
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError):
        return False
    return True
