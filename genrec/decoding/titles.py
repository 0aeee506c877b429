"""Titles as people type them, and the catalogue's items they mean."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from genrec.semantic_ids import Catalogue

_CUTOFF = 0.8  # of difflib's ratio; "Stargate" and "Star Wars" have 0.47
_ADDITION = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*$")
_ARTICLE = re.compile(r"^(.*), (the|an?)$")


class TitleMatch(NamedTuple):
    """A title that was typed, and what it was taken for.

    Args:
        given: as it was typed.
        item: the ``item_index``; None if no title of the catalogue is near.
        title: the catalogue's; what was typed if there is no item.
    """

    given: str
    item: int | None
    title: str


def match_titles(titles: Sequence[str], catalogue: Catalogue) -> list[TitleMatch]:
    """Return the item that each title means.

    The same title counts first, without regard to case; then the same but for what stands in brackets at its end,
    such as a year, and for the place of its article ("Godfather, The"); then the closest, if it is close (difflib's
    ratio of 0.8). Of several items with one title it is the first.

    Args:
        titles: as a person types them.
        catalogue: the items.
    """
    exact, short = _by_title(catalogue)
    return [_match(given, exact, short, catalogue) for given in titles]


def _by_title(catalogue: Catalogue) -> tuple[dict[str, int], dict[str, int]]:
    exact: dict[str, int] = {}
    short: dict[str, int] = {}
    for item, title in enumerate(catalogue.titles):
        exact.setdefault(_plain(title), item)
        short.setdefault(_short(title), item)
    return exact, short


def _match(given: str, exact: dict[str, int], short: dict[str, int], catalogue: Catalogue) -> TitleMatch:
    item = exact.get(_plain(given))
    if item is None:
        item = short.get(_short(given))
    if item is None:
        close = difflib.get_close_matches(_short(given), short, n=1, cutoff=_CUTOFF)
        item = short[close[0]] if close else None
    return TitleMatch(given, item, given if item is None else catalogue.titles[item])


def _plain(title: str) -> str:
    return " ".join(title.casefold().split())


def _short(title: str) -> str:
    """Return a title without what stands in brackets at its end, its article in front."""
    text = _plain(title)
    while (rest := _ADDITION.sub("", text)) and rest != text:
        text = rest
    return _ARTICLE.sub(r"\2 \1", text)
