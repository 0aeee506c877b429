"""The re-ranker's training: the same numbers without torch, and a world in which it has to react."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from genrec.errors import DataError
from genrec.reranking.marks import EARLIER, LIKED, PENDING, SKIPPED, VIEWED, Past
from genrec.reranking.scorer import Scorer
from genrec.reranking.store import load_scorer
from genrec_alignment.reranking import showing
from genrec_alignment.reranking.batches import Windows
from genrec_alignment.reranking.config import RerankConfig
from genrec_alignment.reranking.log import SessionLog
from genrec_alignment.reranking.network import ScorerNetwork
from genrec_alignment.reranking.training import export, to_scorer, train
from genrec_alignment.reranking.world import MoodWorld, Shows

CONFIG = RerankConfig(hidden=16, updates=120, batch_size=256, past=8, learning_rate=1e-2)


@pytest.fixture(scope="module")
def world() -> MoodWorld:
    return MoodWorld()


@pytest.fixture(scope="module")
def network(world: MoodWorld) -> ScorerNetwork:
    return train(world.log(1500, 10, np.random.default_rng(0)), CONFIG)


def small_log() -> SessionLog:
    outcomes = np.array([[1, 1, 1], [0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1]], np.float32)
    users, sessions = np.array([0, 0, 0, 0, 0, 1]), np.array([0, 0, 1, 1, 1, 2])
    vectors = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    return SessionLog(users, sessions, np.arange(6), outcomes, np.ones((6, 1), np.float32), vectors, ("one",))


def test_a_window_by_hand() -> None:
    window = Windows(small_log(), past=5).at(np.array([4, 5]), np.array([1, 3]))
    assert window.there.tolist() == [[False, True, True, True, True], [False] * 5]
    marks = window.events[0, 1:, 2:].numpy()
    expected = [{VIEWED, LIKED, EARLIER}, {SKIPPED, EARLIER}, {VIEWED}, {PENDING}]
    assert [set(np.flatnonzero(row)) for row in marks] == expected
    np.testing.assert_allclose(window.position.numpy(), [np.log(3), 0], rtol=1e-6)


def test_events_of_an_earlier_session_are_never_pending() -> None:
    window = Windows(small_log(), past=3).at(np.array([2]), np.array([3]))
    assert window.events[0, :, 2 + PENDING].sum() == 0


def test_the_runtime_gives_the_network_s_numbers(network: ScorerNetwork, world: MoodWorld, tmp_path: Path) -> None:
    """Every row of a log, with the last events pending, as orders that a plan has placed."""
    export(network, tmp_path / "reranker")
    scorer, log = load_scorer(tmp_path / "reranker"), world.log(40, 10, np.random.default_rng(7))
    rows = np.arange(len(log))
    depth = np.minimum(rows - log.session_starts, 2)
    with torch.no_grad():
        expected = network(Windows(log, CONFIG.past).at(rows, depth)).sigmoid().numpy()
    marks = log.marks
    for row in rows[rows - log.session_starts <= CONFIG.past]:
        seen, here = np.arange(log.session_starts[row], row - depth[row]), np.arange(row - depth[row], row + 1)
        past = Past(log.vectors[log.items[seen]], marks[seen])
        placed = np.arange(depth[row])[None]
        found = scorer.outcomes(past, log.vectors[log.items[here]], log.features[here], placed)
        np.testing.assert_allclose(found[0, -1], expected[row], atol=1e-5)
    assert sum(file.stat().st_size for file in (tmp_path / "reranker").iterdir()) < 6e6


def reward(world: MoodWorld, scorer: Scorer, way: str, change: bool) -> float:
    empty = Past.empty(scorer.shape.dims)

    def ask(items: np.ndarray, features: np.ndarray) -> Shows:
        if way == "given":
            return showing.as_given(items)
        if way == "frozen":
            return showing.planned_once(scorer, empty, world.vectors[items], features)
        return showing.planned_again(scorer, empty, world.vectors[items], features)

    return float(world.live(ask, 100, 10, np.random.default_rng(5), change).mean())


@pytest.mark.parametrize("change", [False, True])
def test_answers_within_the_session_beat_the_given_and_the_frozen_order(
    network: ScorerNetwork, world: MoodWorld, change: bool
) -> None:
    """The second is a user whose taste changes after the third item."""
    scorer = to_scorer(network)
    live, given, frozen = (reward(world, scorer, way, change) for way in ("live", "given", "frozen"))
    assert live > 1.08 * given
    assert live > 1.08 * frozen


def test_the_same_seed_gives_the_same_weights(world: MoodWorld) -> None:
    log, config = world.log(50, 5, np.random.default_rng(0)), RerankConfig(updates=3, hidden=8)
    one, two = (to_scorer(train(log, config, seed=3)).weights for _ in range(2))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_logs_that_do_not_fit_are_refused() -> None:
    log = small_log()
    with pytest.raises(DataError, match="not sorted"):
        SessionLog(log.users[::-1], log.sessions, log.items, log.outcomes, log.features, log.vectors, ("one",))
    with pytest.raises(DataError, match="empty"):
        log.only(np.array([9]))
    with pytest.raises(ValueError, match="multiple of heads"):
        RerankConfig(hidden=9, heads=2)
