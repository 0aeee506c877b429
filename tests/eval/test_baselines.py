"""Baselines against naive dense computations; nothing of the held-out parts in them; exclusions honoured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genrec_eval.baselines.base import Baseline, recency_matrix
from genrec_eval.baselines.ease import Ease
from genrec_eval.baselines.factors import BprMf, Ials
from genrec_eval.baselines.item_knn import ItemKNN, RecentItemKNN
from genrec_eval.baselines.kept import fit_or_reuse
from genrec_eval.baselines.popularity import Popularity
from genrec_eval.baselines.top_k import top_k
from genrec_eval.baselines.transitions import Transitions
from genrec_eval.baselines.tuning import fit_best
from genrec_eval.config import BaselineName, EvaluateConfig
from tests.eval.conftest import MakeDataset

ITEMS = 12
ALL: list[Callable[[], Baseline]] = [Popularity, ItemKNN, RecentItemKNN, Transitions, Ease]


def _sequences(rng: np.random.Generator, users: int = 30) -> list[list[int]]:
    return [rng.integers(0, ITEMS, rng.integers(3, 12)).tolist() for _ in range(users)]


def _train(sequences: list[list[int]]) -> list[list[int]]:
    return [sequence[:-2] for sequence in sequences]


@pytest.mark.parametrize(("neighbours", "shrinkage"), [(ITEMS, 0.0), (3, 2.0)])
def test_item_knn_equals_the_dense_definition(
    make_dataset: MakeDataset, rng: np.random.Generator, neighbours: int, shrinkage: float
) -> None:
    sequences = _sequences(rng)
    users = np.zeros((len(sequences), ITEMS))
    for user, items in enumerate(_train(sequences)):
        users[user, items] = 1
    similarity = np.zeros((ITEMS, ITEMS))
    for i in range(ITEMS):
        for j in range(ITEMS):
            both = (users[:, i] * users[:, j]).sum()
            norm = np.sqrt(users[:, i].sum() * users[:, j].sum())
            similarity[i, j] = both / (norm + shrinkage) if both and i != j else 0
        similarity[i, np.argsort(-similarity[i], kind="stable")[neighbours:]] = 0
    history = np.array([3, 1, 7], dtype=np.int32)
    expected = similarity[3] + similarity[1] + similarity[7]
    scores = ItemKNN(neighbours, shrinkage).fit(make_dataset(sequences, ITEMS))._score([history])[0]
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_item_knn_does_not_depend_on_the_size_of_its_blocks(
    make_dataset: MakeDataset, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(_sequences(rng), ITEMS)
    whole = ItemKNN(4).fit(dataset)._similarity.toarray()
    monkeypatch.setattr("genrec_eval.baselines.item_knn._ROWS_AT_ONCE", 5)
    np.testing.assert_array_equal(ItemKNN(4).fit(dataset)._similarity.toarray(), whole)


def test_transitions_equal_the_naive_definition(make_dataset: MakeDataset, rng: np.random.Generator) -> None:
    sequences = _sequences(rng)
    options = {"window": 3, "decay": 0.7, "backward": 0.4, "last": 2, "recency": 0.5}
    powers = {"source_power": 0.5, "target_power": 0.3}
    table, counts = np.zeros((ITEMS, ITEMS)), np.zeros(ITEMS)
    for items in _train(sequences):
        for at, item in enumerate(items):
            counts[item] += 1
            for distance in range(1, 4):
                if at + distance < len(items):
                    table[item, items[at + distance]] += 0.7 ** (distance - 1)
                    table[items[at + distance], item] += 0.4 * 0.7 ** (distance - 1)
    counts = np.maximum(counts, 1)
    table = table / counts[:, None] ** 0.5 / counts[None] ** 0.3
    expected = table[2] + 0.5 * table[9]
    baseline = Transitions(**options, **powers).fit(make_dataset(sequences, ITEMS))  # type: ignore[arg-type]
    np.testing.assert_allclose(baseline._score([np.array([4, 9, 2], np.int32)])[0], expected, rtol=1e-5)


def test_recency_weights_by_hand() -> None:
    weights = recency_matrix([np.array([1, 2, 1], np.int32), np.array([], np.int32)], 4, last=3, decay=0.5)
    assert weights.toarray().tolist() == [[0, 1.25, 0.5, 0], [0, 0, 0, 0]]
    assert recency_matrix([np.array([0, 1, 2], np.int32)], 3, 1, 0.5).toarray().tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("kind", ALL)
def test_held_out_rows_do_not_reach_a_fitted_baseline(
    make_dataset: MakeDataset, rng: np.random.Generator, tmp_path: Path, kind: Callable[[], Baseline]
) -> None:
    sequences = _sequences(rng)
    changed = [[*items[:-2], 0, 0] for items in sequences]
    histories = [np.array(items[:-2], np.int32) for items in sequences]
    first = kind().fit(make_dataset(sequences, ITEMS)).recommend(histories, 5)
    second = kind().fit(make_dataset(changed, ITEMS, run=tmp_path / "other")).recommend(histories, 5)
    np.testing.assert_array_equal(first.items, second.items)
    np.testing.assert_array_equal(first.scores, second.scores)


@pytest.mark.parametrize("kind", ALL)
def test_lists_hold_what_was_asked_for(
    make_dataset: MakeDataset, rng: np.random.Generator, kind: Callable[[], Baseline]
) -> None:
    baseline = kind().fit(make_dataset(_sequences(rng), ITEMS))
    histories = [np.array([], np.int32), np.array([1], np.int32), np.arange(ITEMS, dtype=np.int32)]
    ranking = baseline.recommend(histories, 20, exclude=histories)
    assert ranking.items.shape == ranking.scores.shape == (3, 20)
    assert sorted(ranking.items[0, :ITEMS].tolist()) == list(range(ITEMS))  # every item is ranked
    assert (ranking.items[0, ITEMS:] == -1).all()
    assert np.isneginf(ranking.scores[0, ITEMS:]).all()
    assert 1 not in ranking.items[1]
    assert (ranking.items[2] == -1).all()  # nothing is left
    assert (np.diff(ranking.scores[0, :ITEMS]) <= 0).all()
    assert baseline.recommend([], 4).items.shape == (0, 4)


def test_nothing_known_means_popularity(make_dataset: MakeDataset, rng: np.random.Generator) -> None:
    dataset = make_dataset(_sequences(rng), ITEMS)
    nobody = [np.array([], np.int32)]
    popular = Popularity().fit(dataset).recommend(nobody, ITEMS).items
    np.testing.assert_array_equal(Transitions().fit(dataset).recommend(nobody, ITEMS).items, popular)


def test_exclusions_must_fit(make_dataset: MakeDataset, rng: np.random.Generator) -> None:
    baseline = Popularity().fit(make_dataset(_sequences(rng), ITEMS))
    with pytest.raises(ValueError, match="as long as"):
        baseline.recommend([np.array([1], np.int32)], 3, exclude=[])


@settings(max_examples=100, deadline=None)
@given(
    arrays(
        np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=st.sampled_from([-np.inf, 0, 1, 2])
    ),
    st.integers(1, 12),
)
def test_top_k_equals_a_stable_sort(scores: npt.NDArray[np.float32], k: int) -> None:
    found = top_k(scores, k)
    for row, items, values in zip(scores, found.items, found.scores, strict=True):
        best = [i for i in np.argsort(-row, kind="stable") if row[i] > -np.inf][:k]
        assert items.tolist() == best + [-1] * (k - len(best))
        assert values[: len(best)].tolist() == row[best].tolist()


def test_the_setting_that_is_best_on_validation_is_chosen(
    make_dataset: MakeDataset, rng: np.random.Generator
) -> None:
    # The next item follows from the latest one alone, so the steepest recency must win.
    step = rng.permutation(ITEMS)
    sequences = []
    for user in range(60):
        items = [user % ITEMS]
        while len(items) < 8:
            items.append(int(step[items[-1]] if rng.random() < 0.7 else rng.integers(ITEMS)))
        sequences.append(items)
    dataset = make_dataset(sequences, ITEMS)
    parameters = fit_best("transitions", dataset, EvaluateConfig(exclude_seen=False), seed=0).parameters
    assert parameters["recency"] == 0.5
    assert parameters["backward"] == 0.0


def test_ease_equals_the_closed_form(make_dataset: MakeDataset, rng: np.random.Generator) -> None:
    sequences = _sequences(rng)
    users = np.zeros((len(sequences), ITEMS))
    for user, items in enumerate(_train(sequences)):
        users[user, items] = 1
    precision = np.linalg.inv(users.T @ users + 5 * np.eye(ITEMS))
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0)
    scores = Ease(5.0).fit(make_dataset(sequences, ITEMS))._score([np.array([3, 1], np.int32)])[0]
    np.testing.assert_allclose(scores, weights[3] + weights[1], atol=1e-5)


def test_ials_solves_for_histories_and_bpr_knows_its_users(make_dataset: MakeDataset) -> None:
    pytest.importorskip("implicit", reason="iALS and BPR-MF come from the package implicit")
    # Two groups of users with six items each; everyone has most of their group's.
    sequences = [[(user + at) % 6 + 6 * (user % 2) for at in range(6)] for user in range(60)]
    dataset = make_dataset(sequences, ITEMS)
    histories = [np.array([0, 1], np.int32), np.array([6, 8, 7], np.int32)]
    ials = Ials(factors=4).fit(dataset)
    items = ials._model.item_factors
    expected = []
    for history in histories:
        confidence = np.ones(ITEMS)
        confidence[history] = ials.alpha
        system = (items.T * confidence) @ items + ials.regularization * np.eye(4)
        expected.append(items @ np.linalg.solve(system, (items[history] * ials.alpha).sum(0)))
    np.testing.assert_allclose(ials._score(histories), expected, atol=0.02)
    bpr = BprMf(factors=4, iterations=200).fit(dataset)
    found = bpr.recommend(histories, 4, histories, users=np.array([0, 1]))
    assert set(found.items[0]) == {2, 3, 4, 5}
    assert set(found.items[1][:3]) == {9, 10, 11}
    popular = Popularity().fit(dataset).recommend(histories, 4, histories)
    np.testing.assert_array_equal(bpr.recommend(histories, 4, histories).items, popular.items)


@pytest.mark.parametrize("name", ["item_knn", "gru4rec"])
def test_a_fitted_baseline_is_used_again(
    make_dataset: MakeDataset, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, name: BaselineName
) -> None:
    dataset = make_dataset(_sequences(rng), ITEMS)
    small = {"embedding_size": 8, "epochs": 2, "history_length": 6}
    config = EvaluateConfig(gru4rec=small, tries=2)  # type: ignore[arg-type]
    first, seconds = fit_or_reuse(name, dataset, config, seed=0)
    assert len(first.tried) == (2 if name == "gru4rec" else 4)
    assert max(first.tried, key=lambda row: row["ndcg@10"])["parameters"] == first.parameters
    with monkeypatch.context() as patch:
        patch.setattr("genrec_eval.baselines.kept.fit_best", None)
        again, the_same = fit_or_reuse(name, dataset, config, seed=0)
    histories = [np.array([1, 2], np.int32)]
    np.testing.assert_array_equal(
        again.baseline.recommend(histories).items, first.baseline.recommend(histories).items
    )
    assert (again.parameters, again.tried, the_same) == (first.parameters, first.tried, seconds)
    calls = []
    monkeypatch.setattr("genrec_eval.baselines.kept.fit_best", lambda *_: calls.append(1) or first)
    for changed in (config.model_copy(update={"exclude_seen": False}), config):
        fit_or_reuse(name, dataset, changed, seed=0)
    assert len(calls) == 2  # another setting, and then the first one again
