"""Long histories made short: how many events stay, which ones, and what they tell of the others."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.models.histories import Events
from genrec.models.onerec.config import PathwaysConfig
from genrec.models.onerec.history.condense import Condenser, clusters, prefix_vectors, representative


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 6), st.integers(0, 5))
def test_clusters_are_few_and_every_row_is_in_one(rows: int, most: int, different: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((different, 4)).astype(np.float32)[rng.integers(0, different, rows)]
    found = clusters(vectors, most)
    assert 1 <= len(found) <= most
    assert sorted(np.concatenate(found)) == list(range(rows))
    assert len(found) >= min(most, len(np.unique(vectors, axis=0)), rows)


def test_clusters_are_those_of_the_data(rng: np.random.Generator) -> None:
    centres = 10 * rng.standard_normal((6, 8)).astype(np.float32)
    owners = rng.integers(0, 6, 300)
    vectors = centres[owners] + 0.1 * rng.standard_normal((300, 8)).astype(np.float32)
    found = clusters(vectors, 40)
    assert len(found) == 40
    assert all(len(set(owners[rows])) == 1 for rows in found)


def test_the_representative_is_nearest_to_the_centre() -> None:
    vectors = np.array([[0.0], [9.0], [4.0], [100.0], [5.0]], dtype=np.float32)
    assert representative(vectors, np.array([0, 1, 2])) == 2
    assert representative(np.zeros((4, 2), np.float32), np.array([1, 3])) == 3


def events(number: int, names: list[str], rng: np.random.Generator) -> Events:
    return Events(np.arange(number), rng.integers(0, 3, (number, len(names))))


NAMES = ["value", "behavior", "liked"]


@pytest.mark.parametrize("number", [0, 3, 9, 10, 11, 60])
def test_what_the_other_pathways_read_stays_as_it_is(number: int, rng: np.random.Generator) -> None:
    config = PathwaysConfig(short=4, positive=3, lifelong=6, positive_behaviors=("like",))
    given_events = events(number, NAMES, rng)
    vectors = rng.standard_normal((60, 4)).astype(np.float32)
    short = Condenser(config, NAMES, vectors)(given_events)
    assert len(short) == min(number, len(short)) <= 4 + 3 + 6
    assert (np.diff(short.items) > 0).all()
    liked = np.flatnonzero(given_events.features[:, 2] == 2)[-3:]
    for kept in (np.arange(number)[-4:], liked):
        places = np.searchsorted(short.items, kept)
        assert (short.items[places] == kept).all()
        assert (short.features[places] == given_events.features[kept]).all()
    assert ((short.features[:, 2] == 2).nonzero()[0][-3:] == np.searchsorted(short.items, liked)).all()
    if number <= 10:
        assert short is given_events


def test_a_representative_tells_the_mean_of_what_is_continuous() -> None:
    config = PathwaysConfig(short=1, positive=1, lifelong=1)
    codes = np.array([[1, 7], [0, 8], [4, 9], [2, 1], [2, 1]])
    found = Condenser(config, ["value", "behavior"], np.zeros((5, 2), np.float32))(Events(np.arange(5), codes))
    # Clustered are all but the latest: known values 1, 4 and 2, and the latest of the equal ones stands for them.
    assert found.items.tolist() == [3, 4]
    assert found.features.tolist() == [[2, 1], [2, 1]]
    assert codes.tolist() == [[1, 7], [0, 8], [4, 9], [2, 1], [2, 1]]


def test_without_a_lifelong_pathway_old_events_are_not_read() -> None:
    config = PathwaysConfig(short=2, positive=1, lifelong=0)
    found = Condenser(config, ["liked"], np.zeros((5, 2), np.float32))(
        Events(np.arange(5), np.array([[2], [2], [1], [1], [1]]))
    )
    assert found.items.tolist() == [1, 3, 4]


def test_events_without_features(rng: np.random.Generator) -> None:
    config = PathwaysConfig(short=2, positive=3, lifelong=4)
    vectors = rng.standard_normal((50, 4)).astype(np.float32)
    assert len(Condenser(config, [], vectors)(Events(np.arange(50)))) == 3 + 4


def test_items_that_share_a_prefix_are_near() -> None:
    codes = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]])
    vectors = prefix_vectors(codes, (2, 2, 2))
    distances = np.linalg.norm(vectors[0] - vectors, axis=1)
    assert (np.diff(distances) > 0).all()


def test_ten_thousand_events_take_seconds_not_minutes(rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((10_000, 16)).astype(np.float32)
    started = time.perf_counter()
    assert len(clusters(vectors, 500)) == 500
    assert time.perf_counter() - started < 20
