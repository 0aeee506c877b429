"""New items enter a catalogue: encoded with everything frozen, under free IDs, as a new version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from genrec.console import remark
from genrec.errors import DataError
from genrec.runs import open_artifact
from genrec.semantic_ids import Catalogue, CatalogueStore, Snapshot, Version
from genrec_tokenizers.lifecycle.free_ids import assign_ids
from genrec_tokenizers.tokenizer import ItemTokenizer

_SHOWN = 5


@dataclass(frozen=True)
class Addition:
    """What came of adding items.

    Args:
        items: the new items with their IDs, sorted by ``item_id``.
        unknown: how many of them no encoder knew anything about; their IDs are those of the average item.
        version: the version they came in with; None where nothing was to be written.
    """

    items: Catalogue
    unknown: int
    version: Version | None


def add_items(
    run: Path, items: pl.DataFrame, *, reuse: bool = False, note: str = "", dry_run: bool = False
) -> Addition:
    """Give new items free IDs and put them into the run's catalogue, after the items that are there.

    The codebooks stay as they are, and so does everybody else's ID; see :func:`assign_ids`. The order of the rows
    does not matter: items are served in the order of ``item_id``.

    Args:
        run: the run folder.
        items: ``item_id``, and ``title`` and the other columns of the dataset's ``items.parquet`` as far as known.
        reuse: whether IDs of items that were removed may be given to others.
        note: why, for the history.
        dry_run: only say which IDs the items would get.

    Raises:
        DataError: if items are there already, twice, or without an id, or the catalogue has no room for them.
        ArtifactError: if a part of the run is missing, or was made anew since.
    """
    store = CatalogueStore(run)
    _refuse_unusable(items, store.snapshot().catalogue)
    items = _as_in_dataset(items, run).sort("item_id")
    tokenizer = ItemTokenizer.from_pretrained(Path(run) / "semantic_ids")
    sources = tokenizer.sources(items)
    embeddings = tokenizer.fusion.transform(sources)
    made: list[Catalogue] = []

    def with_new_items(before: Snapshot) -> Catalogue:
        _refuse_unusable(items, before.catalogue)  # someone else may have added them since
        ids = items["item_id"].to_list()
        codes = assign_ids(ids, embeddings, tokenizer.quantizer, before, reuse=reuse)
        made.append(Catalogue(ids, codes, before.catalogue.codebook_sizes, _titles(items)))
        return before.catalogue.extended(made[0])

    version = None
    if dry_run:
        with_new_items(store.snapshot())
    else:
        version = store.change("add", with_new_items, note)
    unknown = int((~np.any([source.known for source in sources], axis=0)).sum())
    return Addition(made[0], unknown, version)


def _refuse_unusable(items: pl.DataFrame, catalogue: Catalogue) -> None:
    if not len(items):
        raise DataError("There are no items to add.")
    if "item_id" not in items.columns:
        raise DataError("The new items have no column 'item_id'.")
    ids = items["item_id"]
    twice = ids.filter(ids.is_duplicated() & ids.is_not_null()).unique(maintain_order=True).to_list()
    problems = [f"{ids.null_count():,} new items have no item_id."] if ids.null_count() else []
    problems += [f"{len(twice):,} items occur more than once: {some(twice)}."] if twice else []
    problems += already_there(ids.to_list(), catalogue)
    if problems:
        raise DataError(problems, "Nothing was added.")


def already_there(item_ids: Sequence[str], catalogue: Catalogue) -> list[str]:
    """Return a line about those of the items that the catalogue has, if it has any."""
    there = [item for item in item_ids if item in catalogue.index_of]
    return [f"{len(there):,} items are in the catalogue already: {some(there)}."] if there else []


def some(item_ids: Sequence[str]) -> str:
    """Return the first few of a list of items, for a message."""
    return ", ".join(map(repr, item_ids[:_SHOWN])) + (", …" if len(item_ids) > _SHOWN else "")


def _as_in_dataset(items: pl.DataFrame, run: Path) -> pl.DataFrame:
    """Return items with the columns of the run's dataset in their order, since they decide an item's text."""
    open_artifact(Path(run) / "dataset", "dataset")
    wanted = pl.read_parquet_schema(Path(run) / "dataset" / "items.parquet")
    missing = [name for name in wanted if name not in items.columns]
    unused = [name for name in items.columns if name not in wanted]
    if missing:
        remark(f"The new items have no {', '.join(missing)}: what is known of them is that much less.")
    if unused:
        remark(f"Columns that the dataset does not have are left aside: {', '.join(unused)}.")
    empty = [pl.lit(None).alias(name) for name in missing]
    return items.with_columns(empty).select(pl.col(name).cast(dtype) for name, dtype in wanted.items())


def _titles(items: pl.DataFrame) -> list[str]:
    title = pl.col("title") if "title" in items.columns else pl.lit("")
    shown = pl.when(title.fill_null("") == "").then("item_id").otherwise(title)
    return items.select(shown.alias("shown"))["shown"].to_list()
