"""What is written about the items: titles, descriptions, and the terms that sum them up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.errors import UnknownNameError

CATEGORIES = ("categories", "category", "genres", "genre", "class", "tags")
DESCRIPTIONS = ("description", "plot", "overview", "summary", "abstract", "text")
_NO_TEXT = ("item_id", "title", "image")
_RARE, _COMMON = 3, 0.2  # a title's word is a term if at least so many titles, and at most this share, have it
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by de for from in into is it its la le no not of off on or per plus set that the "
        "their this to up with without you your",
    )
)


@dataclass(frozen=True)
class ItemTexts:
    """Texts by ``item_index``; empty where nothing is written.

    Args:
        titles: the items' titles.
        details: the other text columns of each item as sentences, without its title.
        terms: the categories of each item; where there are none, words that its title shares with others.
    """

    titles: list[str]
    details: list[str]
    terms: list[list[str]]

    @cached_property
    def has_title(self) -> npt.NDArray[np.bool_]:
        """bool [items]."""
        return np.array([bool(title) for title in self.titles], dtype=bool)

    @cached_property
    def has_details(self) -> npt.NDArray[np.bool_]:
        """bool [items]."""
        return np.array([bool(text) for text in self.details], dtype=bool)

    @cached_property
    def has_terms(self) -> npt.NDArray[np.bool_]:
        """bool [items]."""
        return np.array([bool(terms) for terms in self.terms], dtype=bool)

    def description(self, item: int) -> str:
        """Return all that is written about an item."""
        title, details = self.titles[item], self.details[item]
        return f"{title}. {details}" if title and details else title or details


def item_texts(items: pl.DataFrame, categories: str | None, description: str | None, words: int) -> ItemTexts:
    """Read the texts of an item table.

    Args:
        items: ``items.parquet``.
        categories: the column of categories; None: the first one with a usual name.
        description: the column of longer text; None: the first one with a usual name.
        words: a description is cut after so many.

    Raises:
        UnknownNameError: if a column that is named does not exist.
    """
    columns = [name for name in items.columns if items[name].dtype == pl.String and name not in _NO_TEXT]
    unknown = [name for name in (categories, description) if name is not None and name not in columns]
    if unknown:
        raise UnknownNameError("text column of items.parquet", unknown, columns)
    categories = categories or next((name for name in CATEGORIES if name in columns), None)
    description = description or next((name for name in DESCRIPTIONS if name in columns), None)
    titles = _column(items, "title") if "title" in items.columns else [""] * len(items)
    facts = {name: _column(items, name) for name in columns if name != description}
    long = [_cut(text, words) for text in _column(items, description)] if description else [""] * len(items)
    details = [_sentences({n: texts[at] for n, texts in facts.items()}, long[at]) for at in range(len(items))]
    terms = [_split(text) for text in facts[categories]] if categories else [[] for _ in titles]
    return ItemTexts(titles, details, terms if any(terms) else _title_terms(titles))


def title_words(title: str) -> list[str]:
    """Return the words of a title that say something, in lower case, each once, in order."""
    words = re.findall(r"\w+", title.lower())
    return list(dict.fromkeys(word for word in words if word not in _STOP_WORDS))


def top_terms(terms: Sequence[Sequence[str]], most: int) -> list[str]:
    """Return the terms that most of some items share, the most frequent first, of equals the earliest."""
    return [term for term, _ in Counter(term for own in terms for term in own).most_common(most)]


def _column(items: pl.DataFrame, name: str) -> list[str]:
    return items[name].fill_null("").str.replace_all(r"\s+", " ").str.strip_chars().to_list()


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in re.split(r"[,;|>]", text) if part.strip()))


def _cut(text: str, words: int) -> str:
    parts = text.split(" ", words)
    return " ".join(parts[:words]) + " …" if len(parts) > words else text


def _sentences(facts: dict[str, str], long: str) -> str:
    known = [f"{name.replace('_', ' ').capitalize()}: {text}." for name, text in facts.items() if text]
    return " ".join([*known, *([long] if long else [])])


def _title_terms(titles: list[str]) -> list[list[str]]:
    words = [[word for word in title_words(title) if len(word) > 2 and word.isalpha()] for title in titles]
    shared = Counter(word for own in words for word in own)
    most = max(_RARE, _COMMON * len(titles))
    return [[word for word in own if _RARE <= shared[word] <= most] for own in words]
