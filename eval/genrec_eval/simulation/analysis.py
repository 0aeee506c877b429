"""An A/B test's figures: the lift, made sharper by what users did before, and whether one might have stopped early.

**CUPED** (Deng, Xu, Kohavi and Walker, 2013). Y − θ (X − mean X), with X the same figure in the days before the
test and θ = cov(Y, X) / var(X) within the arms. X has the same mean in both arms, so the difference stays unbiased;
its variance falls by the square of the correlation.

**A confidence sequence** (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, 2021, arXiv:2103.06476, theorem 2.2):
an interval for every number n of users that all hold the true difference together with probability 1 − α, however
often and whenever one looks. Around the estimate,

    ± se_n √n · √( 2 (nρ² + 1) / (n²ρ²) · log( √(nρ² + 1) / α ) )

It is Robbins' normal mixture with the standard error that was seen; what that is right for grows with n, so looks
begin at ``FIRST_LOOK`` users. ρ² = (−2 log α + log(−2 log α) + 1) / n₀ makes it nearly narrowest at n₀ users.
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
    """Estimates after the first n users; float64 [users] each, NaN while an arm has fewer than two.

    Args:
        means: of the arms, float64 [users, 2], adjusted by CUPED.
        errors: standard errors of these means.
        unadjusted: standard error of the plain difference of means.
        plain: the plain difference.
    """

    means: Floats
    errors: Floats
    plain: Floats
    unadjusted: Floats

    @property
    def difference(self) -> Floats:
        """B − A, adjusted."""
        return self.means[:, 1] - self.means[:, 0]

    @property
    def error(self) -> Floats:
        """The standard error of the adjusted difference."""
        return np.hypot(self.errors[:, 0], self.errors[:, 1])


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
        variance_reduction: the share of its variance that CUPED took away.
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
    """Return the lift of B over A.

    Args:
        after: float64 [users], the figure during the test, users in the order in which they are looked at.
        before: float64 [users], the same figure before it.
        in_b: bool [users], who had B; each arm has at least two.
        alpha: one minus the level of the intervals.
    """
    running = estimates(after, before, in_b)
    (a, b), (error_a, error_b) = running.means[-1], running.errors[-1]
    z = NormalDist().inv_cdf(1 - alpha / 2)
    low, high = confidence_sequence(running, alpha)
    relative, of_relative = None, 0.0
    if a > 0:
        relative, of_relative = float((b - a) / a), math.hypot(error_b, b / a * error_a) / a
    unadjusted = float(running.unadjusted[-1]) ** 2
    return Lift(
        a=float(a),
        b=float(b),
        difference=float(b - a),
        interval=_around(b - a, z * running.error[-1]),
        relative=relative,
        relative_interval=None if relative is None else _around(relative, z * of_relative),
        plain=float(running.plain[-1]),
        variance_reduction=float(1 - running.error[-1] ** 2 / unadjusted) if unadjusted else 0.0,
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
    return Running(np.stack(means, axis=1), np.stack(errors, axis=1), plain, unadjusted)


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


def _margin(n: Ints, alpha: float, best_at: int) -> Floats:
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / best_at
    return np.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * np.log(np.sqrt(n * rho2 + 1) / alpha))


def _first(low: Floats, high: Floats) -> int | None:
    outside = np.flatnonzero((low > 0) | (high < 0))
    return int(outside[0]) + 1 if len(outside) else None


def _around(centre: float, half: float) -> tuple[float, float]:
    return float(centre - half), float(centre + half)
