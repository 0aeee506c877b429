"""Titles as people type them find the catalogue's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.decoding.titles import match_titles
from genrec.semantic_ids import Catalogue

TITLES = [
    "Star Wars (1977)",
    "Stargate (1994)",
    "Godfather, The (1972)",
    "Fargo (1996)",
    "Fargo [series] (2014)",
    "American in Paris, An (1951)",
    "Seven (Se7en) (1995)",
    "(500) Days",
    "(1900)",
]
CATALOGUE = Catalogue(
    [f"i{row}" for row in range(len(TITLES))],
    np.arange(len(TITLES), dtype=np.int32)[:, None],
    (len(TITLES),),
    TITLES,
)


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ("Star Wars (1977)", "Star Wars (1977)"),
        ("  star   WARS ", "Star Wars (1977)"),
        ("Star Wras", "Star Wars (1977)"),
        ("stargate", "Stargate (1994)"),
        ("The Godfather", "Godfather, The (1972)"),
        ("godfather, the", "Godfather, The (1972)"),
        ("an american in paris", "American in Paris, An (1951)"),
        ("Fargo", "Fargo (1996)"),
        ("fargo [SERIES] (2014)", "Fargo [series] (2014)"),
        ("Seven", "Seven (Se7en) (1995)"),
        ("(500) days", "(500) Days"),
        ("(1900)", "(1900)"),
        ("Star", None),
        ("Something else entirely", None),
        ("", None),
    ],
)
def test_what_a_title_is_taken_for(given: str, title: str | None) -> None:
    [match] = match_titles([given], CATALOGUE)
    assert match.given == given
    assert match.title == (title or given)
    assert match.item == (None if title is None else TITLES.index(title))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=8), st.data())
def test_a_title_of_the_catalogue_means_an_item_of_that_title(titles: list[str], data: st.DataObject) -> None:
    names = [f"i{row}" for row in range(len(titles))]
    codes = np.arange(len(titles), dtype=np.int32)[:, None]
    catalogue = Catalogue(names, codes, (len(titles),), titles)
    asked = data.draw(st.lists(st.sampled_from(titles), max_size=4))
    for given_title, match in zip(asked, match_titles(asked, catalogue), strict=True):
        assert match.item is not None
        assert " ".join(match.title.casefold().split()) == " ".join(given_title.casefold().split())


def test_of_several_items_of_one_title_it_is_the_first() -> None:
    catalogue = Catalogue(["a", "b"], np.array([[0], [1]], np.int32), (2,), ["Film", "film"])
    assert [match.item for match in match_titles(["FILM", "film"], catalogue)] == [0, 0]
