"""``genrec recommend``: ranked items for a user of the log, or for a history typed in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genrec.cli.common import JsonOption
from genrec.console import remark
from genrec.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from genrec.decoding import Recommender


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="recommend")(recommend)


def recommend(
    user: Annotated[str | None, typer.Option("--user", "-u", help="A user of the run's dataset.")] = None,
    history: Annotated[
        str | None, typer.Option("--history", help="Item ids, oldest first, separated by commas; '' for none.")
    ] = None,
    run: Annotated[Path, typer.Option("--run", "-r", help="Run folder with a generator.")] = Path("runs/demo"),
    generator: Annotated[
        str | None, typer.Option("--generator", "-g", help="A generator's folder or hub id, instead of a run's.")
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=512, help="Items wanted.")] = 10,
    beams: Annotated[int, typer.Option("--beams", min=1, max=512, help="Width of the search.")] = 50,
    new_places: Annotated[
        int, typer.Option("--new-places", min=0, help="Places of the list for items added after the training.")
    ] = 0,
    seen: Annotated[bool, typer.Option("--allow-seen", help="Recommend items of the history too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the items a generator recommends, with titles and scores.

    The score is the log-probability of the item's semantic ID after the history. The items are those of the
    run's current catalogue (see `genrec catalogue`), as long as the generator was trained on its IDs. Items that
    were added after the training hardly come up unless places are kept for them.

    Example: `genrec recommend --run runs/demo --user 42`

    Example: `genrec recommend --run runs/demo --history 50,181,172 --k 5`
    """
    if (user is None) == (history is None):
        raise ConfigError("Give either --user or --history.", "For example: genrec recommend --user 42")
    import json

    from genrec.decoding import Recommender

    recommender = Recommender.from_pretrained(generator or run / "generator")
    if generator is None:
        _use_current(recommender, run)
    past = _history_of(user, run, recommender) if user is not None else _typed(history or "", recommender)
    ranking = recommender.recommend([past], k, max(beams, k), None if seen else [past], min(new_places, k))
    rows = [
        _row(recommender, int(item), float(score))
        for item, score in zip(ranking.items[0], ranking.scores[0], strict=True)
        if item >= 0
    ]
    if as_json:
        print(json.dumps({"history": [recommender.catalogue.item_ids[item] for item in past], "items": rows}))
        return
    _print(recommender, past, rows)


def _use_current(recommender: Recommender, run: Path) -> None:
    """Take the current version of the run's catalogue, where there is one of the IDs the generator knows."""
    from genrec.runs import open_artifact
    from genrec.semantic_ids import CatalogueStore

    store = CatalogueStore(run)
    if store.source is None:
        return
    if store.source != open_artifact(run / "generator", "generator").inputs.get("semantic_ids"):
        remark(f"The catalogue's versions in {store.folder} hold other IDs than this generator was trained on.")
        return
    snapshot = store.snapshot()
    recommender.use(snapshot.catalogue)
    version = snapshot.version
    remark(f"Catalogue version {version.number} ({version.action}), {version.items:,} items.")


def _history_of(user: str, run: Path, recommender: Recommender) -> npt.NDArray[np.integer]:
    from genrec.data import Dataset

    dataset = Dataset.load(run / "dataset")
    past = [dataset.item_ids[item] for item in dataset.history(user)]
    known = [item for item in past if item in recommender.catalogue.index_of]
    if len(known) < len(past):
        remark(f"{len(past) - len(known)} items of the history are no longer in the catalogue and are left out.")
    return recommender.catalogue.indices(known)


def _typed(history: str, recommender: Recommender) -> npt.NDArray[np.integer]:
    return recommender.catalogue.indices(part.strip() for part in history.split(",") if part.strip())


def _row(recommender: Recommender, item: int, score: float) -> dict[str, Any]:
    catalogue = recommender.catalogue
    return {
        "item_id": catalogue.item_ids[item],
        "title": catalogue.titles[item],
        "score": round(score, 4),
        "semantic_id": catalogue.sid(item),
    }


def _print(recommender: Recommender, past: npt.NDArray[np.integer], rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    catalogue = recommender.catalogue
    out = Console(highlight=False)
    latest = "; ".join(catalogue.titles[item] for item in past[-5:]) or "none: what most histories begin with"
    out.print(f"History of {len(past)} items, the latest: {escape(latest)}\n")
    table = Table(box=None, pad_edge=False)
    for name, side in (
        ("rank", "right"),
        ("item", "left"),
        ("title", "left"),
        ("score", "right"),
        ("semantic ID", "left"),
    ):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    for rank, row in enumerate(rows, start=1):
        cells = (row["item_id"], row["title"], f"{row['score']:.3f}", row["semantic_id"])
        table.add_row(str(rank), *(escape(cell) for cell in cells))
    out.print(table)
