"""How many users it takes to see a difference."""

from __future__ import annotations

import math
from statistics import NormalDist


def users_needed(sd: float, difference: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return the users a paired two-sided test needs: ``n = ((z_{1-α/2} + z_{power}) · sd / difference)²``.

    The normal approximation, which is close from some dozens of users on.

    Args:
        sd: standard deviation over users of the paired difference.
        difference: the mean difference to be seen, such as 1 % of the weaker model's figure.
        alpha: how often a difference may be found where there is none.
        power: how often it must be found where it is there.

    Raises:
        ValueError: if the difference is not above 0, sd is negative, or a probability is not inside of 0 and 1.
    """
    if difference <= 0 or sd < 0 or not 0 < alpha < 1 or not 0 < power < 1:
        raise ValueError(f"no test of sd {sd}, difference {difference}, alpha {alpha}, power {power}")
    normal = NormalDist()
    wanted = (normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)) * sd / difference
    return max(2, math.ceil(wanted**2))
