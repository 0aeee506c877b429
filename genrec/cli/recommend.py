"""``genrec recommend``: ranked items or sessions for a user of the log, or for a history typed in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genrec.cli.common import JsonOption
from genrec.console import remark
from genrec.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from genrec.decoding import Ranking, Recommender, Sessions
    from genrec.models import Events

Row = dict[str, Any]


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
    k: Annotated[
        int | None, typer.Option("--k", "-k", min=1, max=512, help="Items wanted (10), or sessions (1).")
    ] = None,
    session: Annotated[
        int | None, typer.Option("--session", min=1, max=100, help="Recommend sessions of so many items.")
    ] = None,
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

    With `--session 5` it prints five items to be shown together, none of them twice: the score of each is its
    log-probability after the history and the items before it, and the session's score is their sum.

    Items of the history that the catalogue does not have are left out. Without a history (`--history ''`) the
    answer is what the generator expects a history to begin with.

    Example: `genrec recommend --run runs/demo --user 42`

    Example: `genrec recommend --run runs/demo --history 50,181,172 --session 5`
    """
    _check(user, history, session, new_places)
    from genrec.cli.histories import history_of_user, typed_history
    from genrec.decoding import Recommender

    recommender = Recommender.from_pretrained(generator or run / "generator")
    if generator is None:
        _use_current(recommender, run)
    known = recommender.generator
    past = history_of_user(user, run, known) if user is not None else typed_history(history or "", known)
    exclude = None if seen else [past.items]
    if session is not None:
        k = k or 1
        _show_sessions(recommender, past, recommender.sessions([past], session, k, max(beams, k), exclude), as_json)
    else:
        k = k or 10
        ranking = recommender.recommend([past], k, max(beams, k), exclude, min(new_places, k))
        _show_items(recommender, past, ranking, as_json)


def _check(user: str | None, history: str | None, session: int | None, new_places: int) -> None:
    if (user is None) == (history is None):
        raise ConfigError("Give either --user or --history.", "For example: genrec recommend --user 42")
    if session is not None and new_places:
        raise ConfigError("--new-places keeps places in a list of items, not in a session.", "Leave one out.")


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


def _show_items(recommender: Recommender, past: Events, ranking: Ranking, as_json: bool) -> None:
    rows = _rows(recommender, ranking.items[0].tolist(), ranking.scores[0].tolist())
    if as_json:
        _print_json(recommender, past, {"items": rows})
        return
    _print(recommender, past, [("", rows)])


def _show_sessions(recommender: Recommender, past: Events, found: Sessions, as_json: bool) -> None:
    sessions = [
        {"score": round(score, 4), "items": _rows(recommender, items, scores)}
        for items, score, scores in zip(*(part[0].tolist() for part in found), strict=True)
        if items[0] >= 0
    ]
    if as_json:
        _print_json(recommender, past, {"sessions": sessions})
        return
    tables = [(f"Session {at}, score {one['score']:.3f}", one["items"]) for at, one in enumerate(sessions, start=1)]
    _print(recommender, past, tables)


def _rows(recommender: Recommender, items: list[int], scores: list[float]) -> list[Row]:
    catalogue = recommender.catalogue
    return [
        {
            "item_id": catalogue.item_ids[item],
            "title": catalogue.titles[item],
            "score": round(score, 4),
            "semantic_id": catalogue.sid(item),
        }
        for item, score in zip(items, scores, strict=True)
        if item >= 0
    ]


def _print_json(recommender: Recommender, past: Events, found: dict[str, Any]) -> None:
    import json

    print(json.dumps({"history": [recommender.catalogue.item_ids[item] for item in past.items], **found}))


def _print(recommender: Recommender, past: Events, tables: list[tuple[str, list[Row]]]) -> None:
    from rich.console import Console
    from rich.markup import escape

    out = Console(highlight=False)
    latest = "; ".join(recommender.catalogue.titles[item] for item in past.items[-5:])
    out.print(f"History of {len(past)} items, the latest: {escape(latest or 'none: the cold-start answer')}")
    for heading, rows in tables:
        out.print(f"\n{heading}" if heading else "")
        out.print(_table(rows))


def _table(rows: list[Row]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("rank", "item", "title", "score", "semantic ID"):
        table.add_column(name, justify="right" if name in ("rank", "score") else "left")
    for rank, row in enumerate(rows, start=1):
        cells = (row["item_id"], row["title"], f"{row['score']:.3f}", row["semantic_id"])
        table.add_row(str(rank), *(escape(cell) for cell in cells))
    return table
