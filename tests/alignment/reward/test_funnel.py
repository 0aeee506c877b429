"""Objectives after others: ChorusCVR's loss by hand; who is right where clicks and orders have one cause."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from genrec_alignment.reward.config import RewardConfig
from genrec_alignment.reward.funnel import Funnels, chorus_loss, joint_logit

CLICK = {"name": "click", "behaviors": ["click", "order"]}
ORDER = {"name": "order", "behaviors": ["order"], "after": "click"}


def logit(p: float) -> float:
    return math.log(p / (1 - p))


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_the_joint_logit_is_of_the_product(first: float, then: float) -> None:
    joint = joint_logit(torch.tensor(first, dtype=torch.float64), torch.tensor(then, dtype=torch.float64))
    product = 1 / (1 + math.exp(-first)) / (1 + math.exp(-then))
    assert joint.sigmoid().item() == pytest.approx(product, rel=1e-9)


def test_the_loss_by_hand() -> None:
    p, c, n = [0.5, 0.25, 0.8, 0.001], [0.6, 0.1, 0.5, 0.3], [0.3, 0.9, 0.5, 0.4]
    clicked, ordered = [1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]

    def bce(said: float, label: float) -> float:
        return -label * math.log(said) - (1 - label) * math.log(1 - said)

    expected = 0.0
    for pi, ci, ni, o, r in zip(p, c, n, clicked, ordered, strict=True):
        over = max(pi, 0.01) if o else 1 - pi
        expected += bce(pi * ni, o * (1 - r)) + (bce(ci, 1 - ni) + bce(ni, 1 - ci)) / over
        expected += (bce(ci, r) + bce(ni, 1 - r)) / over if o else 0.0
    towers = [torch.tensor([logit(value) for value in values]) for values in (p, c, n)]
    found = chorus_loss(*towers, torch.tensor(clicked), torch.tensor(ordered))
    assert found.item() == pytest.approx(expected / 4, rel=1e-5)


def test_only_what_comes_after_changes_and_without_any_nothing_does() -> None:
    logits, vectors = torch.randn(5, 2), [torch.randn(5, 4)] * 2
    funnels = Funnels(["click", "order"], ["", "click"], 4, "chorus")
    seen = funnels.of_all(logits)
    assert torch.equal(seen[:, 0], logits[:, 0])
    torch.testing.assert_close(seen[:, 1].sigmoid(), logits[:, 0].sigmoid() * logits[:, 1].sigmoid())
    assert funnels.against(vectors).shape == (5, 1)
    none = Funnels(["click", "order"], [], 4)
    assert torch.equal(none.of_all(logits), logits)
    assert none.against(vectors).shape == (5, 0)
    assert none.loss(logits, none.against(vectors), logits) == 0


def test_without_clicks_the_product_says_the_chance_of_an_order_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[3] / "benchmarks")
    program = importlib.import_module("funnel")
    ways = ("clicks alone", "all as clicks", "ESMM", "ChorusCVR")
    error, _, area = np.transpose([program.figures(way, program.WORLDS["hidden"], 8000, 0) for way in ways])
    assert error[2] < error[0] < error[1]
    assert area[2] > max(area[0], area[1])
    assert error[3] < error[1]


@pytest.mark.parametrize("after", ["order", "buy"])
def test_what_comes_first_must_be_another_objective(after: str) -> None:
    with pytest.raises(ValidationError, match="must name another objective"):
        RewardConfig.model_validate({"objectives": [CLICK, ORDER | {"after": after}]})
