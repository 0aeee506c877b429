"""What a policy proposed to every request, with scores and rewards: kept as parquet, made in resumable parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.runs.parts import Parts

Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Candidates:
    """The candidates of a batch of requests, best first by score.

    Args:
        requests: int64 [requests], whatever a request is known by, such as a user or an event.
        items: int64 [requests, candidates, items], ``item_index``; -1 where a session has no more items, and all -1
            where a request has fewer candidates.
        scores: float32 [requests, candidates], log-probabilities under the policy that made them; -inf where there
            is no candidate.
        rewards: float32 [requests, candidates]; what stands where there is no candidate does not count.

    Raises:
        ValueError: if the shapes do not fit each other, or the reward of a candidate is not finite.
    """

    requests: Int64
    items: Int64
    scores: Float32
    rewards: Float32

    def __post_init__(self) -> None:
        shape = self.items.shape
        fits = shape[:1] == self.requests.shape and shape[:2] == self.scores.shape == self.rewards.shape
        if len(shape) != 3 or not shape[1] or not fits:
            raise ValueError(
                f"requests {self.requests.shape}, items {shape}, scores {self.scores.shape} and rewards"
                f" {self.rewards.shape} must be [n], [n, k, m], [n, k] and [n, k], k at least 1"
            )
        if not np.isfinite(self.rewards[self.real]).all():
            raise ValueError("the reward of a candidate is not a finite number")

    def __len__(self) -> int:
        return len(self.items)

    @property
    def real(self) -> npt.NDArray[np.bool_]:
        """Where there is a candidate, bool [requests, candidates]."""
        return self.items[:, :, 0] >= 0

    @property
    def distinct(self) -> npt.NDArray[np.bool_]:
        """Where there is a candidate that is not there before with the same items in the same order."""
        requests, candidates, length = self.items.shape
        if not self.items.size:
            return self.real
        _, same = np.unique(self.items.reshape(-1, length), axis=0, return_inverse=True)
        same = same.reshape(requests, candidates)
        order = np.argsort(same, axis=1, kind="stable")
        ordered = np.take_along_axis(same, order, axis=1)
        first = np.ones(same.shape, dtype=bool)
        first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        placed = np.empty_like(first)
        np.put_along_axis(placed, order, first, axis=1)
        return placed & self.real

    def table(self) -> pl.DataFrame:
        """Return one row a request: ``request``, and the lists ``items`` (of lists), ``scores``, ``rewards``."""
        return pl.DataFrame(
            {
                "request": self.requests,
                "items": pl.Series(self.items.tolist(), dtype=pl.List(pl.List(pl.Int64))),
                "scores": pl.Series(self.scores.tolist(), dtype=pl.List(pl.Float32)),
                "rewards": pl.Series(self.rewards.tolist(), dtype=pl.List(pl.Float32)),
            }
        )

    @classmethod
    def from_table(cls, table: pl.DataFrame) -> Candidates:
        """Return what :meth:`table` made a table of."""
        return cls(
            table["request"].to_numpy(),
            np.array(table["items"].to_list(), dtype=np.int64),
            np.array(table["scores"].to_list(), dtype=np.float32),
            np.array(table["rewards"].to_list(), dtype=np.float32),
        )


def collect_candidates(parts: Parts, requests: int, each: int, draw: Callable[[range], Candidates]) -> Candidates:
    """Return the candidates of all requests, made part by part; parts that are done already are not made again.

    Args:
        parts: where they are kept, see :class:`genrec.runs.parts.Parts`: what the candidates depend on (policy,
            rewards, beams, seed, ``each``) belongs into its ``work``.
        requests: how many there are.
        each: how many make one part.
        draw: makes the candidates of some of the requests, as many to each.

    Raises:
        ValueError: if there is no request.
    """
    if requests < 1 or each < 1:
        raise ValueError(f"{requests} requests in parts of {each}: both must be at least 1")
    for part, start in enumerate(range(0, requests, each)):
        if part not in parts:
            parts.write(part, draw(range(start, min(start + each, requests))).table())
    return Candidates.from_table(parts.table())
