"""MovieLens in the layouts it has been published in: https://grouplens.org/datasets/movielens/

ml-100k.inter, .item, .user        RecBole's atomic files, also bundled in the package ``recbole``
u.data, u.item                     100k as published
ratings.dat, movies.dat            1M and 10M, ``::`` between the fields
ratings.csv, movies.csv, tags.csv  latest-small, latest, 20M, 25M, 32M
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import polars as pl

from genrec.data.config import DataConfig
from genrec.data.importers.readers import require, scan_delimited, scan_lines
from genrec.data.importers.source import Source, Table
from genrec.errors import DataError, MissingPackageError

# The order of u.item's last nineteen columns.
GENRES = (
    "unknown",
    *("Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
LAYOUTS = {
    "atomic": ("ml-100k.inter", "ml-100k.item"),
    "100k": ("u.data", "u.item"),
    "dat": ("ratings.dat", "movies.dat"),
    "csv": ("ratings.csv", "movies.csv"),
}


def bundled() -> Path:
    """Return the folder of MovieLens-100k in the installed package ``recbole``, without importing it.

    Raises:
        MissingPackageError: if it is not installed.
    """
    spec = importlib.util.find_spec("recbole")
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackageError(
            "recbole", "MovieLens-100k without data.path", "pip install --no-deps recbole==1.2.1"
        )
    return Path(spec.submodule_search_locations[0]) / "dataset_example" / "ml-100k"


def layout_of(folder: Path) -> str | None:
    """Return the layout whose files lie in ``folder``, or None."""
    return next((name for name, (log, _) in LAYOUTS.items() if (folder / log).is_file()), None)


def locate(config: DataConfig) -> list[Path]:
    """Return the files to read: the log, the catalogue, and the tags or the users where there are any."""
    folder = config.path or bundled()
    folder = folder.parent if folder.is_file() else folder
    layout = layout_of(folder)
    if layout is None:
        logs = ", ".join(log for log, _ in LAYOUTS.values())
        raise DataError(
            f"{folder} holds none of MovieLens' logs ({logs}).", "Give the unpacked folder as data.path."
        )
    files = [folder / name for name in LAYOUTS[layout]]
    require(*files)
    further = {"csv": folder / "tags.csv", "atomic": folder / "ml-100k.user"}.get(layout)
    return [*files, further] if further and further.is_file() else files


def read(_config: DataConfig, files: list[Path], work: Path) -> Source:
    """Read the log and the catalogue; titles carry the year, genres and tags are text columns."""
    log, movies = files[:2]
    match layout_of(log.parent):
        case "atomic":
            return _atomic(log, movies, files[2] if len(files) > 2 else None)
        case "100k":
            return _original(log, movies, work)
        case "dat":
            return _dat(log, movies, work)
        case _:
            return _csv(log, movies, files[2] if len(files) > 2 else None)


def _atomic(log: Path, movies: Path, people: Path | None) -> Source:
    rows = scan_delimited(log, "\t").pick(
        user_id="user_id:token", item_id="item_id:token", value="rating:float", timestamp="timestamp:float"
    )
    items = scan_delimited(movies, "\t").pick(
        item_id="item_id:token", title="movie_title:token_seq", year="release_year:token", genres="class:token_seq"
    )
    year = pl.when(pl.col("year").str.contains(r"^\d{4}$")).then(pl.format(" ({})", "year")).otherwise(pl.lit(""))
    titled = items.adding(title=pl.col("title") + year, genres=pl.col("genres").str.replace_all(" ", ", "))
    users = None
    if people:
        who = {name: f"{name}:token" for name in ("age", "gender", "occupation")}
        users = scan_delimited(people, "\t").pick(user_id="user_id:token", **who)
    return Source(rows, titled.over(titled.rows.drop("year")), users=users)


def _original(log: Path, movies: Path, work: Path) -> Source:
    names = {"user_id": "column_1", "item_id": "column_2", "value": "column_3", "timestamp": "column_4"}
    rows = scan_delimited(log, "\t", header=False).pick(**names)
    table = scan_delimited(_as_utf8(movies, work), "|", header=False)
    genres = [pl.when(pl.col(f"column_{6 + i}") == "1").then(pl.lit(name)) for i, name in enumerate(GENRES)]
    listed = table.adding(genres=pl.concat_str(genres, separator=", ", ignore_nulls=True))
    items = listed.pick(item_id="column_1", title="column_2", genres="genres")
    return Source(rows, Table(str(movies), items.rows))


def _dat(log: Path, movies: Path, work: Path) -> Source:
    rows = _fields(scan_lines(log), ["user_id", "item_id", "value", "timestamp"])
    items = _fields(scan_lines(_as_utf8(movies, work)), ["item_id", "title", "genres"])
    spaced = items.adding(genres=pl.col("genres").str.replace_all("|", ", ", literal=True))
    return Source(rows, Table(str(movies), spaced.rows))


def _csv(log: Path, movies: Path, tags: Path | None) -> Source:
    rows = scan_delimited(log, ",").pick(user_id="userId", item_id="movieId", value="rating", timestamp="timestamp")
    items = scan_delimited(movies, ",").pick(item_id="movieId", title="title", genres="genres")
    genres = pl.col("genres").str.replace_all("|", ", ", literal=True)
    items = items.adding(genres=pl.when(pl.col("genres") != "(no genres listed)").then(genres))
    if tags is not None:
        items = items.over(items.rows.join(_tags(tags), on="item_id", how="left", maintain_order="left"))
    return Source(rows, items)


def _tags(file: Path, most: int = 20) -> pl.LazyFrame:
    """Return each movie's tags as text, the most used first."""
    tags = scan_delimited(file, ",").pick(item_id="movieId", tags="tag").rows
    tags = tags.with_columns(pl.col("tags").str.strip_chars().str.to_lowercase()).drop_nulls()
    ranked = (
        tags.group_by("item_id", "tags").len().sort(["item_id", "len", "tags"], descending=[False, True, False])
    )
    return ranked.group_by("item_id", maintain_order=True).agg(pl.col("tags").head(most).str.join(", "))


def _fields(lines: Table, names: list[str]) -> Table:
    parts = pl.col("line").str.split("::")
    wrong = parts.list.len() != len(names)
    columns = {name: pl.when(~wrong).then(parts.list.get(i, null_on_oob=True)) for i, name in enumerate(names)}
    return lines.over(lines.rows.select("row", **columns))


def _as_utf8(file: Path, work: Path) -> Path:
    """Copy a small file that may be Latin-1, as the early releases are, as UTF-8."""
    raw = file.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    copy = work / f"utf8-{file.name}"
    copy.write_text(text, encoding="utf-8")
    return copy
