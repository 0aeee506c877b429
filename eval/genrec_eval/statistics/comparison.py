"""One model against all others on the same examples, corrected for how many comparisons that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from genrec_eval.statistics.paired import SAMPLES, confidence_interval, randomization_p
from genrec_eval.statistics.power import users_needed

ALPHA = 0.05
_SMALL = 0.01  # of the other model's figure: the difference that users_for_1_percent is about


@dataclass(frozen=True)
class Comparison:
    """A reference against one other model.

    Args:
        other: the other model.
        difference: reference minus other, mean over examples.
        interval: 95 % paired bootstrap interval of the difference.
        p: of the paired randomisation test, two-sided.
        p_holm: the same, corrected for all others that the reference is compared with.
        effect: the difference over the standard deviation of the paired differences (Cohen's d_z); 0 where no
            example differs.
        users_for_1_percent: examples it takes to see a difference of 1 % of the other's figure, with power .8 at
            .05; None where the other's figure is 0.
    """

    other: str
    difference: float
    interval: tuple[float, float]
    p: float
    p_holm: float
    effect: float
    users_for_1_percent: int | None

    @property
    def significant(self) -> bool:
        """Whether the corrected p is below .05."""
        return self.p_holm < ALPHA

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, rounded."""
        plain = asdict(self)
        rounded = {name: round(value, 6) if isinstance(value, float) else value for name, value in plain.items()}
        return {**rounded, "interval": [round(end, 6) for end in self.interval], "significant": self.significant}


def compare(
    reference: str, gains: Mapping[str, npt.NDArray[np.float64]], seed: int = 0, samples: int = SAMPLES
) -> list[Comparison]:
    """Return the reference against each of the others.

    Args:
        reference: the model that is compared with all others.
        gains: a figure of each example for every model, in the same order.
        seed: of the tests' draws.
        samples: sign changes of a test, of which no p can be below one part; many tests together need more.
    """
    others = [name for name in gains if name != reference]
    differences = {name: gains[reference] - gains[name] for name in others}
    ps = [randomization_p(differences[name], samples, seed) for name in others]
    return [
        Comparison(
            other=name,
            difference=float(differences[name].mean()),
            interval=confidence_interval(differences[name], seed=seed),
            p=p,
            p_holm=corrected,
            effect=_effect(differences[name]),
            users_for_1_percent=_users(differences[name], float(gains[name].mean())),
        )
        for name, p, corrected in zip(others, ps, holm(ps), strict=True)
    ]


def holm(ps: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm, 1979): step down, never below the one before."""
    order = sorted(range(len(ps)), key=lambda at: ps[at])
    corrected, largest = [0.0] * len(ps), 0.0
    for place, at in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - place) * ps[at]))
        corrected[at] = largest
    return corrected


def _effect(differences: npt.NDArray[np.float64]) -> float:
    sd = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    return float(differences.mean()) / sd if sd else 0.0


def _users(differences: npt.NDArray[np.float64], figure: float) -> int | None:
    sd = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    return users_needed(sd, _SMALL * figure) if figure > 0 else None
