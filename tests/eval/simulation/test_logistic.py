"""Logistic regression against a reference, and its standard errors against repetition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from genrec_eval.simulation.arrays import Floats, sigmoid
from genrec_eval.simulation.logistic import fit_logistic

WEIGHTS = np.array([0.3, -1.0, 2.0])


def draw(rng: np.random.Generator, users: int = 60, each: int = 20) -> tuple[Floats, Floats, Floats]:
    rows = users * each
    columns = np.column_stack([np.ones(rows), rng.normal(size=(rows, 2))])
    return columns, rng.random(rows) < sigmoid(columns @ WEIGHTS), np.repeat(np.arange(users), each)


def test_it_finds_what_a_general_optimiser_finds(rng: np.random.Generator) -> None:
    columns, labels, users = draw(rng)
    offset = rng.normal(size=len(labels))

    def loss(weights: Floats) -> float:
        logits = columns @ weights + offset
        return float((np.logaddexp(0, logits) - labels * logits).sum() + 0.005 * weights @ weights)

    found = fit_logistic(columns, labels, users, offset).weights
    np.testing.assert_allclose(found, minimize(loss, np.zeros(3), tol=1e-10).x, atol=1e-4)


def test_standard_errors_are_the_spread_over_repetitions(rng: np.random.Generator) -> None:
    fits = [fit_logistic(*draw(rng)) for _ in range(150)]
    spread = np.std([fit.weights for fit in fits], axis=0)
    np.testing.assert_allclose(np.mean([fit.errors for fit in fits], axis=0), spread, rtol=0.25)


def test_rows_that_repeat_a_user_add_no_certainty(rng: np.random.Generator) -> None:
    columns, labels, _ = draw(rng, users=200, each=1)
    once = fit_logistic(columns, labels, np.arange(200))
    copies = fit_logistic(*(np.repeat(part, 30, axis=0) for part in (columns, labels, np.arange(200))))
    np.testing.assert_allclose(copies.errors, once.errors, rtol=0.02)


def test_what_parts_the_classes_stays_finite() -> None:
    columns = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4)])
    fit = fit_logistic(columns, np.repeat([False, True], 4), np.arange(8))
    assert np.isfinite([fit.weights, fit.errors]).all()
    assert fit.probability(columns)[[0, -1]] == pytest.approx([0, 1], abs=0.05)


@pytest.mark.parametrize(("weight", "shown"), [(0.0, False), (1.5, True)])
def test_an_effect_is_shown_or_not(weight: float, shown: bool, rng: np.random.Generator) -> None:
    column = rng.normal(size=(800, 1))
    fit = fit_logistic(column, rng.random(800) < sigmoid(weight * column[:, 0]), np.arange(800))
    assert fit.shows(0) == shown
