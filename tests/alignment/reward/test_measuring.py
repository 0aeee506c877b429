"""The item average by hand, a gate, and a warning."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genrec.models.histories import HistoryBatch
from genrec_alignment.reward.average import ItemAverage
from genrec_alignment.reward.config import RewardConfig
from genrec_alignment.reward.measuring import gate, measure
from genrec_alignment.reward.sessions import Pieces
from genrec_alignment.reward.training import forgetful
from tests.alignment.reward.worlds import LIKES

LIKE = RewardConfig.model_validate({"objectives": LIKES[:1]})


def make_pieces(items: list[list[int]]) -> Pieces:
    array = np.array(items)
    none = np.zeros(len(array), dtype=np.int64)
    return Pieces(none, array, array, none, none, np.zeros((len(array), 1), np.float32))


def test_the_item_average_by_hand() -> None:
    labels = np.array([[1.0], [1.0], [0.0], [0.0]], dtype=np.float32)  # the mean, .5, weighs five rows
    average = ItemAverage.fit(np.array([0, 0, 0, 2]), labels, 3)
    np.testing.assert_allclose(average.shares[:, 0], [4.5 / 8, 0.5, 2.5 / 6])
    predicted = average.predict(make_pieces([[0, -1, -1], [0, 1, 2]]))
    np.testing.assert_allclose(predicted[:, 0], [4.5 / 8, (4.5 / 8 + 0.5 + 2.5 / 6) / 3])


def test_a_table_has_the_item_average_beside_the_model() -> None:
    labels = np.array([[1.0], [0.0], [1.0], [0.0]])
    model, average = np.array([[0.9], [0.8], [0.2], [0.1]]), np.array([[0.5], [0.5], [0.1], [0.9]])
    entry = measure(labels, model, average, np.array([0, 0, 1, 1]), LIKE)["like"]
    assert (entry["auc"], entry["gauc"]) == (0.75, 1.0)
    assert (entry["item_average_auc"], entry["item_average_gauc"]) == (0.125, 0.25)
    assert (entry["merged_gauc"], entry["item_average_merged_gauc"]) == (1.0, 0.25)
    fused = np.concatenate([model, 1 - model], axis=1)  # a P-Score that has it the wrong way round
    assert measure(labels, fused, average, np.array([0, 0, 1, 1]), LIKE)["like"] == entry | {"merged_gauc": 0.0}
    dislike = RewardConfig.model_validate({"objectives": LIKES[1:]})
    turned = measure(labels, model, average, np.array([0, 0, 1, 1]), dislike)["dislike"]
    assert (turned["merged_gauc"], turned["item_average_merged_gauc"]) == (1.0, 0.25)
    assert measure(labels[:0], model[:0], average[:0], np.zeros(0, int), LIKE) == {}


@pytest.mark.parametrize(
    ("auc", "problem"),
    [(0.65, None), (0.6, "AUC of 'like' is 0.6, below 0.65"), (None, "AUC of 'like' cannot be measured")],
)
def test_the_gate_asks_for_an_auc(auc: float | None, problem: str | None) -> None:
    found = gate({"judge": {"like": {"auc": auc}}}, LIKE)
    assert found["passed"] is (problem is None)
    assert isinstance(found["problems"], list)
    assert [text.startswith(f"judge: held-out {problem}") for text in found["problems"]] == [True] * bool(problem)


@pytest.mark.parametrize(("gauc", "warned"), [(0.68, False), (0.67, True)])
def test_a_reward_that_knows_no_more_than_the_item_average_is_warned_of(gauc: float, warned: bool) -> None:
    """Asked of the merged reward, which alone orders candidates: a tower may be worse."""
    entry = {"auc": 0.7, "gauc": 0.6, "item_average_gauc": 0.65}
    found = gate({"model": {"like": entry | {"merged_gauc": gauc, "item_average_merged_gauc": 0.68}}}, LIKE)
    assert found["passed"]
    text = "model: held-out GAUC of the merged reward for 'like' is 0.67, below the item average's 0.68"
    assert found["warnings"] == [text] * warned


def test_what_does_not_count_in_the_merged_reward_is_not_asked() -> None:
    config = RewardConfig.model_validate({"objectives": [LIKES[0], LIKES[1] | {"weight": 0}]})
    good = {"auc": 0.9, "merged_gauc": 0.9, "item_average_merged_gauc": 0.5}
    bad = {"auc": 0.1, "merged_gauc": 0.1, "item_average_merged_gauc": 0.5}
    assert gate({"model": {"like": good, "dislike": bad}}, config)["passed"]


def test_training_forgets_parts_of_histories_and_nothing_else() -> None:
    mask = torch.ones(400, 30, dtype=torch.bool)
    mask[:, 20:] = False
    batch = HistoryBatch(torch.zeros(400, 30, 0, dtype=torch.long), mask.long(), mask.long()[..., None], mask)
    hidden = forgetful(batch, np.random.default_rng(0))
    shares = hidden.mask[:, :20].float().mean(1)
    assert not hidden.mask[:, 20:].any()
    assert float(shares.min()) < 0.1
    assert float(shares.max()) > 0.9
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.05)
    blind = (hidden.features == 0).all(1).float().mean()
    assert float(blind) == pytest.approx(0.1, abs=0.05)
    assert torch.equal(hidden.rows, batch.rows)
    assert batch.mask[:, :20].all()  # what was given is as it was
