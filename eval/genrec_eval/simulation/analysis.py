"""An A/B test's figures: the lift, made sharper by what users did before, and whether one might have stopped early.

**CUPED** (Deng, Xu, Kohavi and Walker, 2013). Y − θ (X − mean X), with X the same figure in the days before the
test and θ = cov(Y, X) / var(X) within the arms. X has the same mean in both arms, so the difference stays unbiased;
its variance falls by the square of the correlation.

**A confidence sequence** (the asymptotic one of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, arXiv:2103.06476):
an interval for every number n of users that all hold the true difference together with probability 1 − α, however
often and whenever one looks. Around the estimate,

    ± se_n √n · √( 2 (nρ² + 1) / (n²ρ²) · log( √(nρ² + 1) / α ) )

It is Robbins' normal mixture with the standard error that was seen; what that is right for grows with n, so looks
begin at ``FIRST_LOOK`` users. ρ² = (−2 log α + log(−2 log α) + 1) / n₀ makes it nearly narrowest at n₀ users.

**Two lives.** Simulated users, unlike people, can have both A and B, with the same luck. Their differences are one
sample, whose mean has far less variance than a difference of arms (:func:`lift_of_pairs`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from genrec_eval.simulation.arrays import Bools, Floats, Ints

FIRST_LOOK = 100  # users, or all if they are fewer
_UNLIKELY = 0.001  # p of the arms' sizes below which something is wrong with the split


@dataclass(frozen=True)
class Running:
    """Estimates after the first n users; float64 [users] each, NaN while there are too few.

    Args:
        means: of A and B, float64 [users, 2], adjusted by CUPED.
        errors: standard errors of these means.
        plain: the difference of the means as they are.
        error: the standard error of the adjusted difference.
        unadjusted: the standard error of the plain difference between two arms.
    """

    means: Floats
    errors: Floats
    plain: Floats
    error: Floats
    unadjusted: Floats

    @property
    def difference(self) -> Floats:
        """B − A, adjusted."""
        return self.means[:, 1] - self.means[:, 0]


@dataclass(frozen=True)
class Lift:
    """B against A in one figure, a user.

    Args:
        a, b: means of the arms, adjusted by CUPED.
        difference: b − a.
        interval: of the difference, for one look at the end.
        relative: difference / a; None where a is not above 0.
        relative_interval: of that, by the delta method.
        plain: the difference without CUPED.
        variance_reduction: the share of its variance that CUPED took away, or that pairs did.
        anytime: the interval at the end that is valid however often one looked.
        stopped_after: users after which that interval first left 0 out; None: never.
    """

    a: float
    b: float
    difference: float
    interval: tuple[float, float]
    relative: float | None
    relative_interval: tuple[float, float] | None
    plain: float
    variance_reduction: float
    anytime: tuple[float, float]
    stopped_after: int | None


def lift(after: Floats, before: Floats, in_b: Bools, alpha: float = 0.05) -> Lift:
    """Return the lift of B over A between two groups of users.

    Args:
        after: float64 [users], the figure during the test, users in the order in which they are looked at.
        before: float64 [users], the same figure before it.
        in_b: bool [users], who had B; each arm has at least two.
        alpha: one minus the level of the intervals.
    """
    running = estimates(after, before, in_b)
    (a, b), (error_a, error_b) = running.means[-1], running.errors[-1]
    return _lift(running, math.hypot(error_b, b / a * error_a) / a if a > 0 else None, alpha)


def lift_of_pairs(a: Floats, b: Floats, alpha: float = 0.05) -> Lift:
    """Return the lift of B over A where every user had both.

    Args:
        a: float64 [users], the figure with A, users in the order in which they are looked at; at least two.
        b: float64 [users], the same with B.
        alpha: one minus the level of the intervals.
    """
    n = np.arange(1, len(a) + 1)
    means = np.stack([np.cumsum(a), np.cumsum(b)], axis=1) / n[:, None]
    errors = np.stack([_running_error(a), _running_error(b)], axis=1)
    # A split of as many users would have half of them in each arm.
    split = np.sqrt(2 * (errors**2).sum(axis=1))
    running = Running(means, errors, means[:, 1] - means[:, 0], _running_error(b - a), split)
    mean_a, mean_b = means[-1]
    relative = float(_running_error(b - mean_b / mean_a * a)[-1] / mean_a) if mean_a > 0 else None
    return _lift(running, relative, alpha)


def _lift(running: Running, relative_error: float | None, alpha: float) -> Lift:
    a, b = (float(mean) for mean in running.means[-1])
    z, difference, error = NormalDist().inv_cdf(1 - alpha / 2), b - a, float(running.error[-1])
    low, high = confidence_sequence(running, alpha)
    unadjusted = float(running.unadjusted[-1]) ** 2
    return Lift(
        a=a,
        b=b,
        difference=difference,
        interval=_around(difference, z * error),
        relative=None if relative_error is None else difference / a,
        relative_interval=None if relative_error is None else _around(difference / a, z * relative_error),
        plain=float(running.plain[-1]),
        variance_reduction=1 - error**2 / unadjusted if unadjusted else 0.0,
        anytime=(float(low[-1]), float(high[-1])),
        stopped_after=_first(low, high),
    )


def estimates(after: Floats, before: Floats, in_b: Bools) -> Running:
    """Return the estimates after every user; see :func:`lift` for the arguments."""
    # Sums of deviations from a constant near the mean lose no digits.
    y, x = after - after.mean(), before - before.mean()
    arms = [_Sums.of(y, x, in_b == arm) for arm in (False, True)]
    spread = sum(arm.within(arm.xx, arm.x, arm.x) for arm in arms)
    shared = sum(arm.within(arm.xy, arm.x, arm.y) for arm in arms)
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = np.where(spread > 1e-12, shared / spread, 0.0)
        everybody = np.cumsum(x) / np.arange(1, len(x) + 1)
        means = [arm.y / arm.n - theta * (arm.x / arm.n - everybody) + after.mean() for arm in arms]
        errors = [np.sqrt(arm.variance(theta) / arm.n) for arm in arms]
        plain = arms[1].y / arms[1].n - arms[0].y / arms[0].n
        unadjusted = np.hypot(*(np.sqrt(arm.variance(0 * theta) / arm.n) for arm in arms))
    return Running(np.stack(means, axis=1), np.stack(errors, axis=1), plain, np.hypot(*errors), unadjusted)


def confidence_sequence(running: Running, alpha: float) -> tuple[Floats, Floats]:
    """Return the ends of the interval after every user, float64 [users]; ±inf before the first look."""
    n = np.arange(1, len(running.plain) + 1)
    half = running.error * np.sqrt(n) * _margin(n, alpha, len(n))
    unknown = np.isnan(half) | (n < min(FIRST_LOOK, len(n)))
    centre = np.where(unknown, 0.0, running.difference)
    half = np.where(unknown, np.inf, half)
    return centre - half, centre + half


def mismatch_p(in_b: Bools, share: float) -> float:
    """Return p of arms as uneven as these if B had this share (χ² with one degree of freedom)."""
    users, got = len(in_b), int(in_b.sum())
    chi_square = (got - users * share) ** 2 / (users * share * (1 - share))
    return math.erfc(math.sqrt(chi_square / 2))


def mismatch(in_b: Bools, share: float) -> bool:
    """Say whether the arms' sizes are so unlikely that the figures should not be believed: p < .001."""
    return mismatch_p(in_b, share) < _UNLIKELY


@dataclass(frozen=True)
class _Sums:
    """Running sums over the users of one arm, float64 [users] each."""

    n: Floats
    y: Floats
    x: Floats
    yy: Floats
    xx: Floats
    xy: Floats

    @classmethod
    def of(cls, y: Floats, x: Floats, member: Bools) -> _Sums:
        columns = (np.ones(len(y)), y, x, y * y, x * x, x * y)
        return cls(*(np.cumsum(np.where(member, column, 0.0)) for column in columns))

    def within(self, product: Floats, one: Floats, other: Floats) -> Floats:
        """Return the sum of products of deviations from the arm's means."""
        return product - one * other / self.n.clip(1)

    def variance(self, theta: Floats) -> Floats:
        """Return the variance of y − θ x within the arm, n − 1 below the line."""
        yy, xx = self.within(self.yy, self.y, self.y), self.within(self.xx, self.x, self.x)
        squares = yy + theta**2 * xx - 2 * theta * self.within(self.xy, self.x, self.y)
        return np.where(self.n > 1, squares.clip(0) / (self.n - 1), np.nan)


def _running_error(values: Floats) -> Floats:
    """Return the standard error of the mean of the first n values, float64 [values]."""
    n, centred = np.arange(1, len(values) + 1), values - values.mean()
    squares = np.cumsum(centred**2) - np.cumsum(centred) ** 2 / n
    return np.where(n > 1, np.sqrt(squares.clip(0) / (n * (n - 1)).clip(1)), np.nan)


def _margin(n: Ints, alpha: float, best_at: int) -> Floats:
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / best_at
    return np.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * np.log(np.sqrt(n * rho2 + 1) / alpha))


def _first(low: Floats, high: Floats) -> int | None:
    outside = np.flatnonzero((low > 0) | (high < 0))
    return int(outside[0]) + 1 if len(outside) else None


def _around(centre: float, half: float) -> tuple[float, float]:
    return float(centre - half), float(centre + half)
