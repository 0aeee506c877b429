"""Metrics of lists against sessions: by hand, against ranx, and against their definitions."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec_eval.metrics import (
    SessionMetricsAccumulator,
    SessionRanks,
    count_repeats,
    count_seen_before,
    coverage,
    diversity,
    ndcg,
    recall,
    session_hit,
    session_ndcg,
    session_ranks,
    session_recall,
    target_ranks,
)
from tests.eval.ranx_scores import scores_by_ranx

LISTS = np.array([[7, 3, 5], [1, 2, 4], [3, 3, 7], [7, -1, -1]])
SESSIONS = [np.array(session) for session in ([3, 7], [0, 5, 6, 8], [7, 3], [9, 7, 4, 0])]


def test_ranks_by_hand() -> None:
    found = session_ranks(LISTS, SESSIONS)
    assert found.sizes.tolist() == [2, 4, 2, 4]
    assert [ranks.tolist() for ranks in found.per_session()] == [[2, 1], [0, 0, 0, 0], [3, 1], [0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("k", "recalls", "ndcgs", "hits"),
    [
        (1, [0.5, 0, 0.5, 0.25], [1, 0, 1, 1], [1, 0, 1, 1]),
        (
            3,
            [1, 0, 1, 0.25],
            [1, 0, (1 + 1 / 2) / (1 + 1 / log2(3)), 1 / (1 + 1 / log2(3) + 1 / 2)],
            [1, 0, 1, 1],
        ),
    ],
)
def test_accuracy_by_hand(k: int, recalls: list[float], ndcgs: list[float], hits: list[float]) -> None:
    found = session_ranks(LISTS, SESSIONS)
    assert session_recall(found, k) == pytest.approx(recalls)
    assert session_ndcg(found, k) == pytest.approx(ndcgs)
    assert session_hit(found, k) == pytest.approx(hits)


def test_a_session_longer_than_the_list_cannot_be_recalled_whole_but_has_an_ideal_list() -> None:
    found = session_ranks([[4, 3]], [np.array([1, 2, 3, 4])])
    assert session_recall(found, 2).tolist() == [0.5]
    assert session_ndcg(found, 2).tolist() == [1.0]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 10_000))
def test_one_item_a_session_is_the_usual_metric(users: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lists, targets = rng.integers(-1, 6, (users, 6)), rng.integers(0, 6, users)
    found, ranks = session_ranks(lists, targets[:, None]), target_ranks(lists, targets)
    assert found.ranks.tolist() == ranks.tolist()
    assert session_recall(found, k).mean() == pytest.approx(recall(ranks, k))
    assert session_ndcg(found, k).mean() == pytest.approx(ndcg(ranks, k))


def test_equal_to_ranx(rng: np.random.Generator) -> None:
    pytest.importorskip("numba")
    lists = np.array([rng.permutation(30)[:10] for _ in range(200)])
    sessions = [rng.permutation(30)[: rng.integers(1, 13)] for _ in range(200)]
    names = {"recall": "recall", "ndcg": "ndcg", "hit": "hit_rate"}
    theirs = scores_by_ranx(lists, sessions, [f"{name}@{k}" for name in names.values() for k in (3, 10)])
    metrics = SessionMetricsAccumulator((3, 10), 30)
    metrics.update(lists, sessions, [np.zeros(0, int)] * 200)
    ours = metrics.result()
    assert {f"{n}@{k}": ours[f"{n}@{k}"] for n in names for k in (3, 10)} == pytest.approx(
        {f"{n}@{k}": theirs[f"{theirs_n}@{k}"].mean() for n, theirs_n in names.items() for k in (3, 10)}
    )


def test_diversity_by_hand() -> None:
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 0]])
    # Pairs: 0-1 share one level of two, 0-2 and 1-2 none; 2-3 share both.
    assert diversity([[0, 1, 2]], codes, 3).tolist() == [pytest.approx((0.5 + 1 + 1) / 3)]
    assert diversity([[2, 3, -1]], codes, 3).tolist() == [0]
    assert diversity([[0, 1, 2]], codes, 2).tolist() == [0.5]
    assert np.isnan(diversity([[0, -1, -1], [-1, -1, -1], [0, 9, -2]], codes, 3)).all()


def test_an_equal_code_below_a_different_one_is_not_in_common() -> None:
    assert diversity([[0, 1]], np.array([[0, 5], [1, 5]]), 2).tolist() == [1.0]


def test_repeats_and_seen_items_by_hand() -> None:
    lists = [[3, 3, 3], [1, 2, 1], [4, -1, -1], [-1, -1, -1]]
    assert count_repeats(lists, 3) == (3, 7)
    assert count_repeats(lists, 2) == (1, 5)
    histories = [np.array([3]), np.array([2, 9]), np.array([], int), np.array([1, -1])]
    assert count_seen_before(lists, histories, 3) == (4, 7)
    assert count_seen_before(np.zeros((0, 3), int), [], 3) == (0, 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(1, 9), st.integers(0, 10_000))
def test_batches_sum_up_to_the_whole(users: int, batch: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lists, codes = rng.integers(-2, 9, (users, 5)), rng.integers(0, 2, (9, 3))
    sessions = [rng.permutation(9)[: rng.integers(1, 9)] for _ in range(users)]
    histories = [rng.integers(0, 9, rng.integers(0, 4)) for _ in range(users)]
    streamed = SessionMetricsAccumulator((2, 5), 9, codes)
    for start in range(0, users, batch):
        part = slice(start, start + batch)
        streamed.update(lists[part], sessions[part], histories[part])
    found = session_ranks(lists, sessions)
    assert streamed.found.ranks.tolist() == found.ranks.tolist()
    result = streamed.result()
    for k in (2, 5):
        assert result[f"recall@{k}"] == pytest.approx(session_recall(found, k).mean())
        assert result[f"coverage@{k}"] == pytest.approx(coverage(lists, k, 9))
        again, filled = count_repeats(lists, k)
        assert result[f"repeats@{k}"] == pytest.approx(again / filled if filled else 0)
        spread = diversity(lists, codes, k)
        assert result[f"diversity@{k}"] == pytest.approx(0 if np.isnan(spread).all() else np.nanmean(spread))
    assert streamed.invalid_share == pytest.approx((lists == -2).sum() / max(1, (lists != -1).sum()))


def test_without_codes_there_is_no_diversity() -> None:
    metrics = SessionMetricsAccumulator((2,), 9)
    metrics.update([[1, 2]], [np.array([1])], [np.array([2])])
    assert metrics.result() == {
        "recall@2": 1.0, "ndcg@2": 1.0, "map@2": 1.0, "hit@2": 1.0,
        "coverage@2": 2 / 9, "repeats@2": 0.0, "seen@2": 0.5
    }  # fmt: skip


@pytest.mark.parametrize(
    ("items", "sessions", "message"),
    [
        ([[1, 2]], [np.array([], int)], "empty"),
        ([[1, 2]], [np.array([1, 1])], "twice"),
        ([[1, 2]], [np.array([-1])], "negative"),
        ([[1, 2]], [], "0 sessions"),
        ([[1]], [np.array([1])], "that many places"),
    ],
)
def test_mistakes_are_refused(items: object, sessions: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SessionMetricsAccumulator((2,), 9).update(items, sessions, sessions)  # type: ignore[arg-type]


def test_no_sessions_have_no_mean() -> None:
    with pytest.raises(ValueError, match="no sessions"):
        SessionMetricsAccumulator((2,), 9).result()
    with pytest.raises(ValueError, match="at least 1"):
        session_recall(SessionRanks(np.array([1]), np.array([1])), 0)
