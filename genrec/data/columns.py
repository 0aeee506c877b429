"""Guess what the columns of a table hold, first by their names, then by their contents."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from genrec.data.importers.source import ROW, Table
from genrec.data.parsing import EARLIEST, LATEST, parse_log

# Names as they occur in published logs and shop exports, in lower case without separators.
_LOG_NAMES = {
    "user_id": "userid user uid username customerid customer reviewerid visitorid memberid accountid personid "
    "clientid",
    "item_id": "itemid item iid movieid productid product parentasin asin sku articleid videoid bookid songid "
    "trackid contentid newsid gameid isbn businessid listingid goodsid docid poiid",
    "timestamp": "timestamp time ts datetime date createdat eventtime eventtimestamp unixreviewtime unixtime tdat "
    "purchasedate orderdate timems",
    "value": "rating value score stars overall weight playcount watchtime duration quantity rate",
    "behavior": "behavior behaviour event eventtype action actiontype interactiontype feedback feedbacktype",
    "domain": "domain market marketplace scene country",
    "request_id": "requestid request impressionid sessionid session queryid basketid orderid",
    "position": "position pos slot rank",
    "split": "split fold",
}
_ITEM_NAMES = {
    "item_id": _LOG_NAMES["item_id"] + " id",
    "title": "title name itemname itemtitle producttitle productname movietitle prodname",
    "image": "image imagepath img picture poster photo imagefile",
}
_NO_TEXT = re.compile(r"(id|url|uri|link|path|date|time|index)$")
_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
_MOSTLY, _REPEATS, _LEVELS = 0.95, 0.9, 20


@dataclass(frozen=True)
class Match:
    """A guessed mapping from genrec's names to a file's columns, and what each guess rests on.

    Args:
        names: the column for each of genrec's names.
        because: a line for a person on each guess.
        certain: whether user and item, or item and title, were told by their names.
    """

    names: dict[str, Any]
    because: list[str] = field(default_factory=list)
    certain: bool = True


def guess_log(sample: pl.DataFrame) -> Match | None:
    """Guess the columns of a log from its first rows; None if it does not look like one.

    Names decide where they can. Otherwise a table with times, or one without a header, is taken for a log if
    a column repeats as users do; of the two columns with most values the user is the one with longer runs.
    """
    names = _by_name(sample.columns, _LOG_NAMES)
    because = [f"{new}: column {old!r}, by its name" for new, old in names.items()]
    if "timestamp" in names and not _is_time(sample[names["timestamp"]]):
        because.append(f"column {names.pop('timestamp')!r} does not hold times and is left out")
    certain = "user_id" in names and "item_id" in names
    headless = all(name.startswith("column_") for name in sample.columns)
    if not certain:
        found = _by_content(sample, names, headless)
        if "user_id" not in names | found or "item_id" not in names | found:
            return None
        because += [f"{new}: column {old!r}, by its contents; please check" for new, old in found.items()]
        names |= found
    return Match(names, because, certain)


def guess_catalogue(sample: pl.DataFrame, items: set[str], folder: Path) -> Match | None:
    """Guess the columns of a catalogue from its first rows; None if it does not list the log's items.

    Args:
        sample: the first rows.
        items: some of the log's items.
        folder: where the file lies, and perhaps a folder of images named after the items.
    """
    names = _by_name(sample.columns, _ITEM_NAMES)
    key = _key_column(sample, items, names.get("item_id"))
    if key is None:
        return None
    texts = [name for name in sample.columns if name != key and _is_text(sample[name])]
    title = names["title"] if names.get("title") in texts else None
    if title is None and texts:
        title = max(texts, key=lambda name: sample[name].n_unique())
    mapping: dict[str, Any] = {"item_id": key}
    if title:
        mapping |= {"title": title, "text": [name for name in texts if name != title]}
    image = _image(sample, key, names.get("image"), folder)
    if image:
        mapping["image"] = image
    because = [f"{new}: {'columns' if new == 'text' else 'column'} {old!r}" for new, old in mapping.items()]
    return Match(mapping, because, title is not None)


def _by_name(columns: Sequence[str], roles: Mapping[str, str]) -> dict[str, str]:
    """Return the first column that bears one of each role's usual names."""
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(columns)}
    found: dict[str, str] = {}
    for role, names in roles.items():
        hit = next((plain[name] for name in names.split() if name in plain), None)
        if hit is not None and hit not in found.values():
            found[role] = hit
    return found


def _by_content(sample: pl.DataFrame, named: dict[str, str], headless: bool) -> dict[str, str]:
    left = [name for name in sample.columns if name not in named.values()]
    found: dict[str, str] = {}
    if "timestamp" not in named and (time := next((name for name in left if _is_time(sample[name])), None)):
        found["timestamp"] = time
        left.remove(time)
    if not headless and "timestamp" not in named | found:
        return {}
    distinct = {name: sample[name].n_unique() for name in left}
    ids = sorted((name for name in left if _is_id(sample[name])), key=lambda name: -distinct[name])
    missing = [role for role in ("user_id", "item_id") if role not in named]
    chosen = sorted(ids[: len(missing)], key=lambda name: (_runs(sample[name]), left.index(name)))
    found |= dict(zip(missing, chosen, strict=False))
    user = found.get("user_id")
    if user and len(sample) and distinct[user] > _REPEATS * len(sample):
        return {}
    levels = (
        name for name in left if name not in chosen and _is_number(sample[name]) and distinct[name] <= _LEVELS
    )
    if "value" not in named and (value := next(levels, None)):
        found["value"] = value
    return found


def _is_time(column: pl.Series) -> bool:
    if column.null_count() == len(column):
        return False
    if column.dtype.is_temporal():
        return True
    log = Table("", pl.LazyFrame({ROW: range(len(column)), "timestamp": column}))
    times = parse_log(log, "auto").collect()["timestamp"].drop_nulls()
    return float(times.is_between(EARLIEST, LATEST).sum()) >= _MOSTLY * (len(column) - column.null_count())


def _is_number(column: pl.Series) -> bool:
    filled = column.drop_nulls()
    return filled.cast(pl.String).cast(pl.Float64, strict=False).count() >= _MOSTLY * max(1, len(filled))


def _is_id(column: pl.Series) -> bool:
    text = column.cast(pl.String).drop_nulls()
    short = (text.str.len_chars() <= 64) & ~text.str.contains(r"\s|^\d+\.\d*[1-9]")
    return len(text) >= _MOSTLY * max(1, len(column)) and float(short.sum()) >= _MOSTLY * max(1, len(text))


def _is_text(column: pl.Series) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", column.name.lower())
    if column.dtype != pl.String or _NO_TEXT.search(plain) or _is_time(column):
        return False
    text = column.drop_nulls()
    wordy = text.str.contains(r"\p{L}{2}") & ~text.str.contains(r"^https?://") & ~_image_names(text)
    return len(text) > 0 and float(wordy.sum()) >= 0.5 * len(text)


def _image_names(text: pl.Series) -> pl.Series:
    return text.str.to_lowercase().str.contains(r"\.(jpe?g|png|webp)$")


def _runs(column: pl.Series) -> int:
    return int(column.rle_id().max() or 0)  # type: ignore[arg-type]


def _key_column(sample: pl.DataFrame, items: set[str], named: str | None) -> str | None:
    """Return the column whose values are the log's items, one row each."""
    shared = {}
    for name in sample.columns:
        values = sample[name].cast(pl.String).drop_nulls()
        if values.n_unique() > _REPEATS * max(1, len(sample)):
            shared[name] = len(items & set(values))
    best = max(shared, key=lambda name: (name == named and shared[name] > 0, shared[name]), default=None)
    return best if best is not None and shared[best] else None


def _image(sample: pl.DataFrame, key: str, named: str | None, folder: Path) -> str | None:
    """Return the column with image files, or a template for a folder of images named after the items."""
    if named and sample[named].dtype == pl.String and bool(_image_names(sample[named].drop_nulls()).any()):
        return named
    first = sample[key].cast(pl.String).drop_nulls().head(20)
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        for ending in _IMAGE_ENDINGS:
            if any((inner / f"{item}{ending}").is_file() for item in first):
                return f"{inner.name}/{{{key}}}{ending}"
    return None
