"""``genrec recommend``: ranked items or sessions for a user of the log, or for a history typed in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from genrec.cli.common import JsonOption
from genrec.console import remark
from genrec.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from genrec.cli.explain import Explained
    from genrec.decoding import Ranking, Recommender, Sessions
    from genrec.models import Events
    from genrec.semantic_ids import Catalogue

Row = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="recommend")(recommend)


def recommend(
    user: Annotated[str | None, typer.Option("--user", "-u", help="A user of the run's dataset.")] = None,
    history: Annotated[
        str | None, typer.Option("--history", help="Item ids, oldest first, separated by commas; '' for none.")
    ] = None,
    titles: Annotated[
        str | None, typer.Option("--titles", help="Titles, oldest first, separated by semicolons.")
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
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why: the model's thought, or what items and history share.")
    ] = False,
    ahead: Annotated[
        bool, typer.Option("--ahead", help="Search below what `genrec think ahead` prepared for the user.")
    ] = False,
    engine: Annotated[
        str, typer.Option("--engine", help="What runs the model: tree, vllm or hf; the items are the same.")
    ] = "tree",
    as_json: JsonOption = False,
) -> None:
    """Print the items a generator recommends, with titles and scores.

    The score is the log-probability of the item's semantic ID after the history. The items are those of the
    run's current catalogue (see `genrec catalogue`), as long as the generator was trained on its IDs. Items that
    were added after the training hardly come up unless places are kept for them.

    With `--session 5` it prints five items to be shown together, none of them twice: the score of each is its
    log-probability after the history and the items before it, and the session's score is their sum.

    With `--titles` a title is looked up in the catalogue, without regard to case, a year in brackets or small
    mistakes, and what it was taken for is said. A language model reads titles that are not there as text.

    With `--explain` a model that was trained to think (task `reason` of `genrec tune`) writes its thought first and
    recommends after it. Of any other model it is said which items of the history have IDs that begin alike, and
    which categories they share.

    With `--engine vllm` a decoder-only model is run by vLLM, with `--engine hf` by transformers' `generate`, which
    is slow: what the others are checked against. Any generator is run by `tree`, the search of genrec.

    Items of the history that the catalogue does not have are left out. Without a history (`--history ''`) the
    answer is what the generator expects a history to begin with.

    Example: `genrec recommend --run runs/demo --user 42`

    Example: `genrec recommend --run runs/demo --history 50,181,172 --session 5`

    Example: `genrec recommend --run runs/demo --titles "Star Wars; Fargo"`
    """
    _check((user, history, titles), session, new_places)
    _check_alone(explain, ahead, user, session, new_places)
    _check_engine(engine, explain or ahead)
    from genrec.decoding import Recommender

    recommender = Recommender.from_pretrained(generator or run / "generator", engine=engine)
    if generator is None:
        _use_current(recommender, run)
    asked = _asked(recommender, run, user, history, titles, as_text=session is None and not explain)
    exclude = None if seen else [asked.past.items]
    if session is not None:
        k = k or 1
        found = recommender.sessions([asked.past], session, k, max(beams, k), exclude)
        _show_sessions(recommender, asked, found, as_json)
        return
    k, said = k or 10, None
    how = (k, max(beams, k), exclude)
    if explain:
        from genrec.cli.explain import recommend_explained

        source, of_run = generator or run / "generator", None if generator else run
        said = recommend_explained(recommender, asked.past, source, of_run, *how)
        ranking = said.ranking
    elif ahead and user is not None:
        from genrec.cli.ahead import recommend_ahead

        ranking = recommend_ahead(recommender.generator, user, asked.past, run, *how)
    elif asked.prompt is not None:
        ranking = recommender.recommend_prompts([asked.prompt], *how, min(new_places, k))
    else:
        ranking = recommender.recommend([asked.past], *how, min(new_places, k))
    _show_items(recommender, asked, ranking, as_json, said)


class _Asked(NamedTuple):
    """What was asked about.

    Args:
        past: the items that are known.
        titles: what the titles typed in were taken for; None where none were.
        prompt: what a language model reads where it reads the titles and not the items' IDs; else None.
    """

    past: Events
    titles: list[Row] | None = None
    prompt: list[int] | None = None

    def names(self, catalogue: Catalogue) -> list[str]:
        """Return the titles of what the model reads."""
        if self.prompt is not None:
            return [one["title"] or one["given"] for one in self.titles or []]
        return [catalogue.titles[item] for item in self.past.items]


def _asked(
    recommender: Recommender, run: Path, user: str | None, history: str | None, titles: str | None, as_text: bool
) -> _Asked:
    """Return the history of a user, or the one that was typed in."""
    from genrec.cli.histories import history_of_user, titled_history, typed_history

    known = recommender.generator
    if titles is not None:
        read = titled_history(titles, known, as_text)
        return _Asked(read.events, read.matches, read.prompt)
    return _Asked(history_of_user(user, run, known) if user is not None else typed_history(history or "", known))


def _check(given: tuple[str | None, ...], session: int | None, new_places: int) -> None:
    if sum(one is not None for one in given) != 1:
        raise ConfigError("Give either --user or --history or --titles.", "For example: genrec recommend --user 42")
    if session is not None and new_places:
        raise ConfigError("--new-places keeps places in a list of items, not in a session.", "Leave one out.")


def _check_alone(explain: bool, ahead: bool, user: str | None, session: int | None, new_places: int) -> None:
    """Refuse what neither an explanation nor prepared prefixes can be had with."""
    problems = []
    if (explain or ahead) and (session is not None or new_places):
        problems.append("--explain and --ahead are for lists of items, without --session and --new-places.")
    if ahead and (explain or user is None):
        problems.append("--ahead serves what was prepared for a --user, and explains nothing.")
    if problems:
        raise ConfigError(problems, "Leave one out.")


def _check_engine(engine: str, by_thought: bool) -> None:
    from genrec.decoding.engines.base import check_engine

    check_engine(engine)
    if by_thought and engine != "tree":
        raise ConfigError(f"--explain and --ahead are for the engine tree, not {engine}.", "Leave one out.")


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


def _show_items(
    recommender: Recommender, asked: _Asked, ranking: Ranking, as_json: bool, said: Explained | None
) -> None:
    rows = _rows(recommender, ranking.items[0].tolist(), ranking.scores[0].tolist())
    if as_json and said is not None:
        rows = [row | {"why": reason} for row, reason in zip(rows, said.reasons, strict=True)]
        _print_json(recommender, asked, {"explanation": said.plain, "items": rows})
    elif as_json:
        _print_json(recommender, asked, {"items": rows})
    else:
        _print(recommender, asked, [("", rows)])
        print(*(["", *said.lines()] if said is not None else []), sep="\n", end="\n" if said else "")


def _show_sessions(recommender: Recommender, asked: _Asked, found: Sessions, as_json: bool) -> None:
    sessions = [
        {"score": round(score, 4), "items": _rows(recommender, items, scores)}
        for items, score, scores in zip(*(part[0].tolist() for part in found), strict=True)
        if items[0] >= 0
    ]
    if as_json:
        _print_json(recommender, asked, {"sessions": sessions})
        return
    tables = [(f"Session {at}, score {one['score']:.3f}", one["items"]) for at, one in enumerate(sessions, start=1)]
    _print(recommender, asked, tables)


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


def _print_json(recommender: Recommender, asked: _Asked, found: dict[str, Any]) -> None:
    import json

    history = [recommender.catalogue.item_ids[item] for item in asked.past.items]
    titles = {} if asked.titles is None else {"titles": asked.titles}
    print(json.dumps({"history": history, **titles, **found}))


def _print(recommender: Recommender, asked: _Asked, tables: list[tuple[str, list[Row]]]) -> None:
    from rich.console import Console
    from rich.markup import escape

    out = Console(highlight=False)
    names = asked.names(recommender.catalogue)
    latest = escape("; ".join(names[-5:]) or "none: the cold-start answer")
    out.print(f"History of {len(names)} items, the latest: {latest}")
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
