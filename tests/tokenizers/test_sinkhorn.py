"""Sinkhorn's plans: their marginals, what a small epsilon does, and that extremes stay finite."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from genrec_tokenizers.quantizers.sinkhorn import normalize_costs, transport_plan

quick = settings(deadline=None, max_examples=40)


@st.composite
def cost_tables(draw: st.DrawFn) -> torch.Tensor:
    """Costs [1–3 problems, rows, columns] of any scale."""
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return torch.from_numpy(rng.normal(size=shape) * draw(st.sampled_from([1e-3, 1, 1e4])))


@quick
@given(cost_tables())
def test_the_marginals_are_even(costs: torch.Tensor) -> None:
    plan = transport_plan(normalize_costs(costs), 0.5, rounds=200)
    _, rows, columns = costs.shape
    assert torch.allclose(plan.sum(1), torch.full_like(plan[:, 0], 1 / columns))
    assert torch.allclose(plan.sum(2), torch.full_like(plan[:, :, 0], 1 / rows), atol=1e-6)


@quick
@given(cost_tables(), st.integers(0, 10_000))
def test_the_marginals_are_those_asked_for(costs: torch.Tensor, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.rand(costs.shape[:2], generator=generator, dtype=torch.float64) + 0.1
    columns = torch.rand(costs[:, 0].shape, generator=generator, dtype=torch.float64) + 0.1
    columns = columns * rows.sum(1, keepdim=True) / columns.sum(1, keepdim=True)
    plan = transport_plan(normalize_costs(costs), 0.5, rows, columns, rounds=200)
    assert torch.allclose(plan.sum(1), columns)
    assert torch.allclose(plan.sum(2), rows, atol=1e-5)


def test_the_rounds_on_logarithms_are_those_of_the_textbook() -> None:
    costs = normalize_costs(torch.rand(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    kernel = (-costs / 0.2).exp()
    right = torch.ones(5, dtype=torch.float64)
    for _ in range(23):
        left = 1 / 7 / (kernel @ right)
        right = 1 / 5 / (kernel.T @ left)
    assert torch.allclose(transport_plan(costs, 0.2, rounds=23), left[:, None] * kernel * right)


def test_a_small_epsilon_gives_the_cheapest_assignment() -> None:
    rng = np.random.default_rng(3)
    costs = rng.random((6, 6))
    plan = transport_plan(normalize_costs(torch.from_numpy(costs)), 0.02, rounds=2000)
    assert plan.argmax(1).tolist() == linear_sum_assignment(costs)[1].tolist()


def test_rows_and_columns_without_mass_take_no_part() -> None:
    rows, columns = torch.tensor([1.0, 0.0, 1.0]), torch.tensor([0.0, 1.5, 0.5])
    plan = transport_plan(torch.zeros(3, 3), 0.1, rows, columns)
    assert torch.allclose(plan, torch.tensor([[0, 0.75, 0.25], [0, 0, 0], [0, 0.75, 0.25]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("epsilon", [1.0, 0.003, 1e-6])
def test_an_outlier_and_a_small_epsilon_stay_finite(dtype: torch.dtype, epsilon: float) -> None:
    """Far outside what exp() can hold: 2 / 1e-6 is two million."""
    costs = torch.rand(64, 16, generator=torch.Generator().manual_seed(1), dtype=dtype)
    costs[5], costs[:, 3] = 1e6, 0.0
    plan = transport_plan(normalize_costs(costs), epsilon)
    assert plan.isfinite().all()
    assert torch.allclose(plan.sum(), torch.ones((), dtype=dtype), atol=1e-2)  # float32 at the smallest epsilon


def test_normalised_costs_span_minus_one_to_one_and_equal_ones_stay_finite() -> None:
    costs = normalize_costs(torch.tensor([[[2.0, 4.0], [3.0, 2.0]], [[7.0, 7.0], [7.0, 7.0]]]))
    assert torch.allclose(costs[0], torch.tensor([[-1.0, 1.0], [0.0, -1.0]]))
    assert torch.equal(costs[1], torch.zeros(2, 2))
