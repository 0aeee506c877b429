"""Candidates as tables in parts, and the preference rows that are made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.runs.parts import Parts
from genrec_alignment.preference.candidates import Candidates, collect_candidates
from genrec_alignment.preference.pairs import (
    Pairs,
    best_against_losers,
    best_against_worst,
    logged_against_losers,
)


def candidates_of(items: list[list[list[int]]], rewards: list[list[float]]) -> Candidates:
    """Return candidates whose scores fall from place to place."""
    array = np.array(items, dtype=np.int64)
    scores = np.where(array[:, :, 0] >= 0, -np.arange(array.shape[1], dtype=np.float32), -np.inf)
    known = np.array(rewards, dtype=np.float32)
    return Candidates(np.arange(len(array)) + 100, array, scores.astype(np.float32), known)


@st.composite
def worlds(draw: st.DrawFn) -> Candidates:
    """Random candidates: repeated ones with the same reward, some missing, few different rewards."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    requests, count, length = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(1, 2))
    items = rng.integers(0, 3, size=(requests, count, length))
    for row, kept in enumerate(rng.integers(0, count + 1, size=requests)):
        items[row, kept:] = -1
    values = rng.integers(0, 3, size=9).astype(np.float32)
    rewards = values[np.maximum(items, 0) @ (3 ** np.arange(length))]
    return candidates_of(items.tolist(), rewards.tolist())


def check_laws(pairs: Pairs, requests: int, losers: int) -> None:
    """Check what holds for all preference rows."""
    assert len(pairs) + sum(pairs.skipped.values()) == requests
    assert pairs.rejected.shape[1] <= losers
    assert (pairs.chosen[:, 0] >= 0).all()
    assert pairs.real[:, :1].all()
    assert (np.isnan(pairs.rejected_rewards) == ~pairs.real).all()
    for row in range(len(pairs)):
        real = pairs.real[row]
        assert (pairs.rejected_rewards[row][real] < pairs.chosen_rewards[row]).all()
        everyone = pairs.items[row, np.concatenate([[True], real])]
        assert len(np.unique(everyone, axis=0)) == len(everyone)


@settings(max_examples=60, deadline=None)
@given(worlds(), st.integers(1, 4))
def test_laws_of_best_against_losers(candidates: Candidates, losers: int) -> None:
    pairs = best_against_losers(candidates, losers)
    check_laws(pairs, len(candidates), losers)
    for row, request in enumerate(pairs.requests - 100):
        known = candidates.rewards[request][candidates.distinct[request]]
        assert pairs.chosen_rewards[row] == known.max()
        worst = np.sort(known[known < known.max()])[:losers]
        assert pairs.rejected_rewards[row][pairs.real[row]].tolist() == worst.tolist()
    first = best_against_worst(candidates)
    assert (first.requests == pairs.requests).all()
    assert (first.rejected[:, 0] == pairs.rejected[:, 0]).all()


@settings(max_examples=60, deadline=None)
@given(worlds(), st.integers(1, 4), st.integers(0, 10_000))
def test_laws_of_logged_against_losers(candidates: Candidates, losers: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logged = rng.integers(-1, 3, size=(len(candidates), 1))
    rewards = rng.integers(0, 4, size=len(candidates)).astype(np.float32)
    pairs = logged_against_losers(candidates, logged, rewards, losers)
    check_laws(pairs, len(candidates), losers)
    assert (pairs.chosen[:, 0] == logged[pairs.requests - 100, 0]).all()
    for scores in pairs.rejected_scores:
        assert (np.diff(scores[np.isfinite(scores)]) < 0).all()  # the most probable first


def test_ties_go_to_the_more_probable_and_what_teaches_nothing_is_counted() -> None:
    items = [[[5], [6], [7], [8]], [[1], [2], [-1], [-1]], [[1], [1], [-1], [-1]], [[-1]] * 4]
    rewards = [[0.0, 1, 0, 1], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    pairs = best_against_losers(candidates_of(items, rewards), 3)
    assert pairs.requests.tolist() == [100]
    assert pairs.chosen.tolist() == [[6]]
    assert pairs.rejected.tolist() == [[[5], [7], [-1]]]
    assert pairs.chosen_scores.tolist() == [-1]
    assert pairs.rejected_scores[0, :2].tolist() == [0, -2]
    assert pairs.skipped == {"identical_rewards": 1, "too_few": 2}


def test_what_was_logged_wins_over_what_the_policy_shows_in_its_place() -> None:
    found = candidates_of([[[1, 2], [3, 4], [5, 6]]] * 4, [[0.0, 1, 0.5]] * 4)
    logged = np.array([[3, 4, -1], [9, 8, 7], [-1, -1, -1], [9, 8, 7]])
    pairs = logged_against_losers(found, logged, np.array([2, 0.7, 1, 0], dtype=np.float32), 2)
    assert pairs.requests.tolist() == [100, 101]
    assert pairs.chosen.tolist() == [[3, 4, -1], [9, 8, 7]]
    assert pairs.rejected.tolist() == [[[1, 2, -1], [5, 6, -1]]] * 2
    assert np.isnan(pairs.chosen_scores).all()
    assert pairs.skipped == {"no_logged": 1, "identical_rewards": 1}


def test_rows_survive_parquet(tmp_path: Path) -> None:
    items = [[[5, 1], [6, -1], [7, 0]], [[1, 1], [2, 2], [-1, -1]]]
    pairs = best_against_losers(candidates_of(items, [[0.0, 1, 0.5], [0, 1, 0]]), 2)
    pairs.table().write_parquet(tmp_path / "pairs.parquet")
    read = Pairs.from_table(pl.read_parquet(tmp_path / "pairs.parquet"))
    for name in ("requests", "chosen", "rejected", "chosen_rewards", "rejected_rewards", "rejected_scores"):
        np.testing.assert_array_equal(getattr(read, name), getattr(pairs, name))
        assert getattr(read, name).dtype == getattr(pairs, name).dtype
    assert pairs.table()["rejected"].to_list() == [[[5, 1], [7, 0]], [[1, 1]]]


def test_candidates_are_made_part_by_part_and_never_twice(tmp_path: Path) -> None:
    whole = candidates_of([[[i, 1], [i, -1], [-1, -1]] for i in range(5)], [[0.5, 1, np.nan]] * 5)
    asked: list[range] = []

    def draw(rows: range) -> Candidates:
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(rows)
        at = slice(rows.start, rows.stop)
        return Candidates(whole.requests[at], whole.items[at], whole.scores[at], whole.rewards[at])

    with pytest.raises(KeyboardInterrupt):
        collect_candidates(Parts(tmp_path / "parts", {"seed": 1}, resume=True), 5, 2, draw)
    asked.pop(0)
    found = collect_candidates(Parts(tmp_path / "parts", {"seed": 1}, resume=True), 5, 2, draw)
    assert asked == [range(2, 4), range(4, 5)]
    for name in ("requests", "items", "scores", "rewards"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
        assert getattr(found, name).dtype == getattr(whole, name).dtype


def test_candidates_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \[n\]"):
        Candidates(
            np.arange(2), np.zeros((2, 3, 1), int), np.zeros((2, 2), np.float32), np.zeros((2, 3), np.float32)
        )
    with pytest.raises(ValueError, match="finite"):
        candidates_of([[[1], [2]]], [[0.0, np.nan]])
    with pytest.raises(ValueError, match="losers"):
        best_against_losers(candidates_of([[[1], [2]]], [[0.0, 1]]), 0)
    with pytest.raises(ValueError, match="of 1 requests"):
        logged_against_losers(candidates_of([[[1]]], [[0.0]]), np.zeros((2, 1), int), np.zeros(2, np.float32), 1)
