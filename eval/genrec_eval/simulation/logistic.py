"""Logistic regression on a few columns, with standard errors that allow for a user's rows being alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec_eval.simulation.arrays import Bools, Floats, Ints, sigmoid

_STEPS, _CLOSE_ENOUGH, _SMALLEST = 50, 1e-8, 1e-12
_RIDGE = 1e-2  # of the squared weights: a column that does not vary with the label stays finite
SHOWN = 2.0  # standard errors from 0 at which an effect counts as shown by the log


@dataclass(frozen=True)
class Logistic:
    """P(1) = σ(columns · weights).

    Args:
        weights: float64 [columns].
        errors: float64 [columns], their standard errors, clustered by user.
    """

    weights: Floats
    errors: Floats

    def probability(self, columns: Floats) -> Floats:
        """Return P(1) of rows, float64 [rows]."""
        return sigmoid(columns @ self.weights)

    def shows(self, column: int) -> bool:
        """Say whether an effect is at least two standard errors from 0."""
        return abs(float(self.weights[column])) >= SHOWN * float(self.errors[column])


def fit_logistic(columns: Floats, labels: Bools, groups: Ints, offset: Floats | float = 0.0) -> Logistic:
    """Fit by Newton's method, halving a step that would make the fit worse.

    Standard errors are those of the sandwich H⁻¹ (Σ_g s_g s_gᵀ) H⁻¹, where s_g is the sum of the scores of the rows
    of one user (Liang and Zeger, 1986).

    Args:
        columns: float64 [rows, columns]; a column of ones where there is a constant.
        labels: bool [rows].
        groups: int [rows], the user of each.
        offset: float64 [rows], added to the logits with weight 1.
    """
    weights = np.zeros(columns.shape[1])
    loss = _loss(columns, labels, weights, offset)
    for _ in range(_STEPS):
        p = sigmoid(columns @ weights + offset)
        step = np.linalg.solve(_hessian(columns, p), columns.T @ (labels - p) - _RIDGE * weights)
        while (after := _loss(columns, labels, weights + step, offset)) > loss and np.abs(step).max() > _SMALLEST:
            step = step / 2
        weights, gained, loss = weights + step, loss - after, after
        if gained < _CLOSE_ENOUGH:
            break
    return Logistic(weights, _errors(columns, labels, groups, sigmoid(columns @ weights + offset)))


def _loss(columns: Floats, labels: Bools, weights: Floats, offset: Floats | float) -> float:
    logits = columns @ weights + offset
    return float((np.logaddexp(0, logits) - labels * logits).sum() + _RIDGE / 2 * weights @ weights)


def _hessian(columns: Floats, p: Floats) -> Floats:
    hessian: Floats = (columns * (p * (1 - p))[:, None]).T @ columns + _RIDGE * np.eye(columns.shape[1])
    return hessian


def _errors(columns: Floats, labels: Bools, groups: Ints, p: Floats) -> Floats:
    scores = columns * (labels - p)[:, None]
    _, of = np.unique(groups, return_inverse=True)
    sums = np.stack([np.bincount(of, column) for column in scores.T], axis=1)
    bread = np.linalg.inv(_hessian(columns, p))
    return np.sqrt(np.diag(bread @ (sums.T @ sums) @ bread))
