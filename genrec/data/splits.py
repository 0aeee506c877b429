"""Divide interactions into training, validation and test without letting anything leak.

leave_one_out  A user's last interaction is the test target, the one before it the validation target. Users
               with fewer than three interactions stay in training whole.
leave_one_session_out
               The same with whole sessions, in the order in which they began. Where sessions overlap, a row that
               comes after the beginning of a later part is ``context``, so that nothing is learned after a target.
temporal       Two moments cut all interactions, by default 8:1:1 (the protocol of MiniOneRec,
               arXiv:2510.24431). Rows of one moment are never divided.
by_user        Whole users are held out. Their last interaction is the target, the earlier ones are
               ``context``: history, but neither learned from nor predicted.
given          The log's own ``split`` column.

In all of them a target has at least one earlier interaction of its user; a validation or test row that has
none becomes ``context``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.data.config import Split
from genrec.data.dataset import SPLITS
from genrec.errors import DataError

LEAST_FOR_LEAVE_ONE_OUT = 3  # interactions, or sessions


@dataclass(frozen=True)
class SplitPlan:
    """What must be known of all interactions before a part of the users can be divided.

    Args:
        by: the protocol.
        cuts: temporal: the first moments of validation and of test.
        roles: by_user: ``train``, ``valid`` or ``test`` by ``user_index``.
    """

    by: str
    cuts: tuple[int, int] = (0, 0)
    roles: pl.Series = field(default_factory=lambda: pl.Series("role", [], dtype=pl.String))

    def describe(self) -> str:
        """Return the rule in words, for the manifest."""
        return {
            "leave_one_out": "last interaction test, the one before it valid; shorter users stay in train",
            "leave_one_session_out": "last session test, the one before it valid; users with fewer than three "
            "sessions stay in train",
            "temporal": f"valid from {self.cuts[0]} ms, test from {self.cuts[1]} ms; no history: context",
            "by_user": "held-out users: last interaction is the target, earlier ones context",
            "given": "the log's split column",
        }[self.by]


def plan_split(
    config: Split, timestamps: npt.NDArray[np.int64], users: int, time_unit: str, seed: int
) -> SplitPlan:
    """Decide what holds for all users: the moments that cut time, or who is held out.

    Args:
        config: the protocol and its shares.
        timestamps: int64 [interactions], in any order.
        users: the number of users.
        time_unit: ``ms`` or ``ordinal``.
        seed: of the choice of held-out users.

    Raises:
        DataError: if time is asked for but not there, or a part would be empty.
    """
    if config.by == "temporal":
        if time_unit != "ms":
            raise DataError(
                "data.split.by is 'temporal', but the log has no times.", "Use leave_one_out or by_user."
            )
        return SplitPlan("temporal", cuts=_cuts(config, timestamps))
    if config.by == "by_user":
        return SplitPlan("by_user", roles=_roles(config, users, seed))
    return SplitPlan(config.by)


def assign(frame: pl.DataFrame, plan: SplitPlan) -> pl.Series:
    """Return the split of every row.

    Args:
        frame: whole users' rows, sorted by user and time, with ``user_id``, ``timestamp`` and ``user_index``;
            leave_one_session_out also needs ``session``, numbered in order of first appearance.
        plan: from :func:`plan_split`.
    """
    place = pl.int_range(pl.len()).over("user_id")
    left = pl.len().over("user_id") - 1 - place
    split = _expression(plan, left)
    no_history = (place == 0) & split.is_in(["valid", "test"])
    return frame.select(pl.when(no_history).then(pl.lit("context")).otherwise(split).alias("split"))["split"]


def _expression(plan: SplitPlan, left: pl.Expr) -> pl.Expr:
    """Return a row's split; ``left`` is how many interactions its user has after it."""
    train, valid, test, context = (pl.lit(name) for name in SPLITS)
    if plan.by == "leave_one_out":
        short = pl.len().over("user_id") < LEAST_FOR_LEAVE_ONE_OUT
        return pl.when(short | (left > 1)).then(train).when(left == 1).then(valid).otherwise(test)
    if plan.by == "leave_one_session_out":
        return _by_session()
    if plan.by == "temporal":
        time = pl.col("timestamp")
        return pl.when(time < plan.cuts[0]).then(train).when(time < plan.cuts[1]).then(valid).otherwise(test)
    if plan.by == "by_user":
        role = pl.lit(plan.roles).gather(pl.col("user_index"))
        return pl.when((role == "train") | (left == 0)).then(role).otherwise(context)
    return pl.col("split")


def _by_session() -> pl.Expr:
    number = pl.col("session").rank("dense").over("user_id").cast(pl.Int64)
    count = number.max().over("user_id")
    part = pl.when(count < LEAST_FOR_LEAVE_ONE_OUT).then(0).otherwise((number - count + 2).clip(lower_bound=0))
    late = part < part.cum_max().over("user_id")
    names = part.replace_strict([0, 1, 2], list(SPLITS[:3]), return_dtype=pl.String)
    return pl.when(late).then(pl.lit("context")).otherwise(names)


def _cuts(config: Split, timestamps: npt.NDArray[np.int64]) -> tuple[int, int]:
    times = np.sort(timestamps)
    first = _boundary(times, round(len(times) * (1 - config.valid - config.test)))
    second = _boundary(times, round(len(times) * (1 - config.test)))
    if not 0 < first < second < len(times):
        raise DataError(
            "A temporal split needs at least three moments, far enough apart for the shares asked for; "
            f"of {len(times)} interactions, training would get {first} and validation {second - first}.",
            "Change data.split.valid and data.split.test, or use data.split.by=leave_one_out.",
        )
    return int(times[first]), int(times[second])


def _boundary(times: npt.NDArray[np.int64], wanted: int) -> int:
    """Return the place nearest to ``wanted`` where time moves on."""
    moment = times[min(wanted, len(times) - 1)]
    before, after = (int(np.searchsorted(times, moment, side=side)) for side in ("left", "right"))
    return before if wanted - before <= after - wanted else after


def _roles(config: Split, users: int, seed: int) -> pl.Series:
    valid, test = (max(1, round(users * share)) for share in (config.valid, config.test))
    if valid + test >= users:
        raise DataError(f"{users} users are too few to hold out {valid} for validation and {test} for test.")
    roles = np.full(users, "train", dtype=object)
    order = np.random.default_rng(seed).permutation(users)
    roles[order[:valid]], roles[order[valid : valid + test]] = "valid", "test"
    return pl.Series("role", roles.tolist(), dtype=pl.String)
