"""``genrec catalogue``: the life of a catalogue after its IDs were made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genrec.cli.common import DryRunOption, JsonOption
from genrec.console import remark
from genrec.errors import ConfigError

if TYPE_CHECKING:
    from genrec.semantic_ids import Catalogue, Snapshot, Version

_SHOWN = 10
_COUNTS = ("items", "added", "removed", "retired")

RunFolder = Annotated[Path, typer.Option("--run", "-r", help="Run folder with semantic IDs.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why; kept in the history.")]
_DEFAULT_RUN = Path("runs/demo")

catalogue = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


def register(app: typer.Typer) -> None:
    """Add the verb, with its five actions, to the command line."""
    app.add_typer(catalogue, name="catalogue")


@catalogue.callback()
def _root() -> None:
    """Let items come and go without moving anyone's ID; every change is a version that can be gone back to.

    Example: `genrec catalogue history --run runs/demo`
    """


@catalogue.command()
def add(
    file: Annotated[Path, typer.Argument(help="New items: a CSV, TSV, JSON-lines or Parquet file.")],
    run: RunFolder = _DEFAULT_RUN,
    reuse: Annotated[bool, typer.Option("--reuse", help="Give IDs of removed items to others, too.")] = False,
    note: NoteOption = "",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give new items free IDs under the frozen codebooks.

    The file has a column `item_id` and, as far as they are known, the columns of the dataset's items: `title`
    and further text. An item that was removed before gets its old ID back.

    Example: `genrec catalogue add new_items.csv --run runs/demo`
    """
    from genrec.semantic_ids import CatalogueStore
    from genrec_tokenizers.lifecycle import add_items, read_new_items

    items = read_new_items(file, CatalogueStore(run).snapshot().catalogue)
    done = add_items(run, items, reuse=reuse, note=note, dry_run=dry_run)
    if done.unknown:
        remark(f"{done.unknown:,} items have nothing that an encoder knows, and get the average item's codes.")
    rows = _rows(done.items)
    if as_json:
        print(json.dumps({"version": done.version and _entry(done.version), "added": rows}))
        return
    _print_items("would be added" if dry_run else "added", rows)
    if done.version:
        _print_next(done.version, run)


@catalogue.command()
def remove(
    item_ids: Annotated[list[str] | None, typer.Argument(help="Items to take out.", metavar="ITEM_ID…")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A text file with one item id a line.")] = None,
    run: RunFolder = _DEFAULT_RUN,
    note: NoteOption = "",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take items out; their IDs are retired and given to no one else.

    Example: `genrec catalogue remove 242 302 --run runs/demo`
    """
    from genrec.semantic_ids import CatalogueStore

    wanted = [*(item_ids or []), *(_lines(file) if file else [])]
    if not wanted:
        raise ConfigError("No item was named.", "For example: genrec catalogue remove 242 302, or --file ids.txt")
    store = CatalogueStore(run)
    before = store.snapshot().catalogue
    rows = _rows(before.take(before.indices(dict.fromkeys(wanted))))
    version = None if dry_run else store.remove(wanted, note)
    if as_json:
        print(json.dumps({"version": version and _entry(version), "removed": rows}))
        return
    _print_items("would be removed" if dry_run else "removed", rows)
    if version:
        _print_next(version, run)


@catalogue.command()
def diff(
    first: Annotated[int | None, typer.Argument(help="The older version; the one before TO by default.")] = None,
    second: Annotated[int | None, typer.Argument(help="The newer version; the current one by default.")] = None,
    run: RunFolder = _DEFAULT_RUN,
    as_json: JsonOption = False,
) -> None:
    """Say which items came, left, or changed their ID between two versions.

    Example: `genrec catalogue diff 1 --run runs/demo`
    """
    from genrec.semantic_ids import CatalogueStore

    store = CatalogueStore(run)
    new = store.snapshot(second)
    old = store.snapshot(first if first is not None else max(1, new.version.number - 1))
    result = _difference(old, new)
    if as_json:
        print(json.dumps(result))
        return
    print(f"From version {old.version.number} ({len(old.catalogue):,} items) to {new.version.number}", end=" ")
    print(f"({len(new.catalogue):,} items):")
    for name in ("added", "removed", "moved"):
        _print_items(name, result[name])


@catalogue.command()
def history(run: RunFolder = _DEFAULT_RUN, as_json: JsonOption = False) -> None:
    """List all versions, the oldest first; the last one is current.

    Example: `genrec catalogue history --run runs/demo`
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from genrec.semantic_ids import CatalogueStore

    versions = CatalogueStore(run).history()
    if as_json:
        print(json.dumps({"current": versions[-1].number, "versions": [_entry(version) for version in versions]}))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("no", "action", "items", "added", "removed", "retired", "made (UTC)", "digest"):
        table.add_column(name, justify="right" if name in _COUNTS else "left", no_wrap=True)
    table.add_column("note")
    for version in versions:
        counts = (f"{getattr(version, name):,}" for name in _COUNTS)
        when = version.created[:16].replace("T", " ")
        table.add_row(str(version.number), version.action, *counts, when, version.digest[:8], Text(version.note))
    out = Console()
    out.width = max(out.width, 110)  # a narrow terminal breaks the lines; nothing is cut away
    out.print(table)


@catalogue.command()
def rollback(
    number: Annotated[int, typer.Argument(help="The version whose contents to go back to.", metavar="VERSION")],
    run: RunFolder = _DEFAULT_RUN,
    note: NoteOption = "",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make an earlier version's items and IDs current again, as a new version; IDs given since are retired.

    Example: `genrec catalogue rollback 1 --run runs/demo`
    """
    from genrec.semantic_ids import CatalogueStore

    store = CatalogueStore(run)
    result = _difference(store.snapshot(), store.snapshot(number))
    version = None if dry_run else store.rollback(number, note)
    if as_json:
        print(json.dumps({"version": version and _entry(version), **result}))
        return
    for name in ("added", "removed", "moved"):
        _print_items(f"would be {name}" if dry_run else name, result[name])
    if version:
        _print_next(version, run)


def _lines(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read as a list of item ids: {error}") from error


def _entry(version: Version) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(version) | {"folder": str(version.folder)}


def _rows(items: Catalogue) -> list[dict[str, Any]]:
    return [
        {"item_id": item, "title": items.titles[place], "semantic_id": items.sid(place)}
        for place, item in enumerate(items.item_ids)
    ]


def _difference(old: Snapshot, new: Snapshot) -> dict[str, Any]:
    """Return the items that came, left, and changed their ID; the latter with the earlier one."""
    before, after = old.catalogue, new.catalogue
    added = [row for item, row in after.index_of.items() if item not in before.index_of]
    removed = [row for item, row in before.index_of.items() if item not in after.index_of]
    kept = [(row, before.index_of[item]) for item, row in after.index_of.items() if item in before.index_of]
    moved = [(row, was) for row, was in kept if (after.codes[row] != before.codes[was]).any()]
    earlier = [{"earlier_semantic_id": before.sid(was)} for _, was in moved]
    return {
        "from": old.version.number,
        "to": new.version.number,
        "added": _rows(_take(after, added)),
        "removed": _rows(_take(before, removed)),
        "moved": [
            row | was for row, was in zip(_rows(_take(after, [row for row, _ in moved])), earlier, strict=True)
        ],
    }


def _take(items: Catalogue, rows: Sequence[int]) -> Catalogue:
    import numpy as np

    return items.take(np.array(rows, dtype=np.int64))


def _print_items(what: str, rows: Sequence[dict[str, Any]]) -> None:
    print(f"{len(rows):,} {'item' if len(rows) == 1 else 'items'} {what}{':' if rows else ''}")
    for row in rows[:_SHOWN]:
        was = f" (was {row['earlier_semantic_id']})" if "earlier_semantic_id" in row else ""
        print(f"  {row['item_id']}  {row['semantic_id']}{was}  {row['title']}")
    if len(rows) > _SHOWN:
        print(f"  … and {len(rows) - _SHOWN:,} more; --json lists all")


def _print_next(version: Version, run: Path) -> None:
    print(f"Version {version.number} is current: {version.items:,} items, {version.retired:,} retired IDs.")
    places = " --new-places 2" if version.action == "add" else ""  # without them new items hardly come up
    back = f"genrec catalogue rollback {version.number - 1} --run {run}"
    print(f"Serve it: genrec recommend --run {run}{places}. Take it back: {back}")
