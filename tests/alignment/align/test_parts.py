"""Requests, figures and verdicts, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.data import Dataset
from genrec.errors import DataError
from genrec_alignment.align.config import AcceptSettings, AlignConfig
from genrec_alignment.align.measuring import Figures, measure
from genrec_alignment.align.requests import Requests, draw, moments, validation_requests
from genrec_alignment.align.verdict import in_errors, verdict
from genrec_alignment.preference.candidates import Candidates
from tests.alignment.align.worlds import SHOWN, USERS, make_world


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    make_world(tmp_path)
    return Dataset.load(tmp_path / "dataset")


def test_moments_are_of_the_training_part_alone(dataset: Dataset) -> None:
    log, users = dataset.sequences, np.array([3, 7])
    found = moments(dataset, users, 3)
    assert len(found) == 2 * (SHOWN - 1)
    assert set(found.users) == {3, 7}
    assert (log.splits[found.stops] == 0).all()
    for start, stop, targets in zip(found.starts, found.stops, found.targets, strict=True):
        assert start < stop
        np.testing.assert_array_equal(targets, log.items[stop : stop + len(targets)])
        assert (log.splits[stop : stop + len(targets)] == 0).all()
    assert sorted(map(len, found.targets))[0] == 1
    assert found.logged(3).shape == (len(found), 3)
    assert (found.logged(3)[-1] >= 0).sum() == 1
    some = draw(found, 5, seed=0)
    assert len(some) == 5
    assert set(some.stops) <= set(found.stops)
    assert len(draw(found, 1000, seed=0)) == len(found)


def test_without_moments_it_says_so(dataset: Dataset) -> None:
    with pytest.raises(DataError, match="none of the 0 users"):
        moments(dataset, np.zeros(0, dtype=np.int64), 1)


def test_validation_is_of_the_users_named(dataset: Dataset) -> None:
    found = validation_requests(dataset, np.arange(10), 1, 1000, 0)
    assert sorted(found.users) == list(range(10))
    assert (dataset.sequences.splits[found.stops] == 1).all()
    assert len(validation_requests(dataset, np.arange(USERS), 1, 7, 0)) == 7
    sessions = validation_requests(dataset, np.arange(10), 2, 1000, 0)
    assert (dataset.sequences.splits[sessions.stops] == 1).all()


def one_request(items: list[int], rewards: list[float], target: int) -> tuple[Candidates, Requests]:
    scores = -np.arange(len(items), dtype=np.float32)[None]
    candidates = Candidates(np.array([9]), np.array(items)[None, :, None], scores, np.array([rewards], np.float32))
    return candidates, Requests(np.array([0]), np.array([0]), np.array([9]), [np.array([target])])


def test_figures_by_hand() -> None:
    candidates, requests = one_request([4, 2, 0, -1], [0.2, 0.4, 0.9, 7.0], target=0)
    judged = np.array([[0.1, 0.3, -0.5, 7.0]], dtype=np.float32)
    codes = np.array([[0, 0], [0, 1], [0, 2], [1, 0], [1, 1]])
    found = measure(candidates, judged, requests, 2, codes, 0.25).summary
    expected = {
        "model_mean": 0.3, "model_max": 0.4, "judge_mean": 0.2, "judge_max": 0.3, "recall": 0.0, "ndcg": 0.0,
        "best_model": 0.65, "best_judge": -0.1, "best_recall": 1.0, "best_ndcg": 1.0,
        "kl": 0.25, "length": 1.0, "diversity": 1.0, "coverage": 0.4,
    }  # fmt: skip
    assert found == pytest.approx(expected, abs=1e-5)
    second, requests = one_request([4, 2, 0], [0.2, 0.4, 0.9], target=2)
    assert measure(second, judged[:, :3], requests, 2, codes, 0).summary["ndcg"] == pytest.approx(
        1 / np.log2(3), abs=1e-5
    )


def figures(model: list[float], judge: list[float], recall: float = 0.4, ndcg: float = 0.2) -> Figures:
    summary = {"model_mean": sum(model) / 3, "judge_mean": sum(judge) / 3, "recall": recall, "ndcg": ndcg}
    return Figures(summary, pl.DataFrame({"model": model, "judge": judge}))


LOW, HIGH = [0.1, 0.2, 0.3], [0.3, 0.35, 0.5]


@pytest.mark.parametrize(
    ("now", "reasons"),
    [
        (figures(HIGH, HIGH), []),
        (figures(HIGH, HIGH, recall=0.39, ndcg=0.191), []),
        (figures(LOW, HIGH), ["the reward model"]),
        (figures(HIGH, LOW), ["the judge"]),
        (figures(HIGH, [-1.0, 0.2, 2.0]), ["the judge"]),  # it rose, but by less than its error
        (figures(HIGH, HIGH, recall=0.37), ["recall fell"]),
        (figures(HIGH, HIGH, ndcg=0.18), ["NDCG fell"]),
        (figures(LOW, LOW, 0.1, 0.1), ["the reward model", "the judge", "recall fell", "NDCG fell"]),
    ],
)
def test_a_round_is_kept_only_if_nothing_speaks_against_it(now: Figures, reasons: list[str]) -> None:
    start = figures(LOW, LOW)
    found = verdict(now, start, start, AcceptSettings())
    assert found.accepted == (not reasons)
    assert len(found.reasons) == len(reasons)
    assert all(said.startswith(reason) for said, reason in zip(found.reasons, reasons, strict=True))


def test_losses_add_up_over_rounds() -> None:
    before, now = figures(LOW, LOW, ndcg=0.191), figures(HIGH, HIGH, ndcg=0.185)
    assert not verdict(now, before, figures(LOW, LOW), AcceptSettings()).accepted


def test_standard_errors() -> None:
    assert in_errors(np.zeros(4)) == 0
    assert in_errors(np.array([1.0, 3.0])) == pytest.approx(2.0)
    assert np.isfinite(in_errors(np.ones(4)))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"beams": 5}, "at least served"),
        ({"pairs": {"losers": 3}}, "softmax_dpo"),
        ({"loss": "robust"}, "needs label_smoothing"),
        ({"label_smoothing": 0.1}, "label_smoothing is for"),
        ({"rewards": {"model": 0}}, "same reward"),
        ({"rewards": {"diversity": 1}}, "session_length above 1"),
        ({"loss": "simpo"}, "loss"),
    ],
)
def test_settings_that_cannot_be(section: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AlignConfig.model_validate(section)
