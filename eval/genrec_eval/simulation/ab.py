"""``genrec simulate ab``: an A/B test of two systems on simulated users."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genrec.console import remark
from genrec.data import Dataset
from genrec.errors import DataError
from genrec.runs import Manifest, is_current, new_artifact, open_artifact
from genrec_eval.simulation.analysis import lift, mismatch, mismatch_p
from genrec_eval.simulation.arrays import Bools, Floats, Ints
from genrec_eval.simulation.config import AbConfig, SimulateConfig
from genrec_eval.simulation.draws import shares
from genrec_eval.simulation.life import Period, Population, Totals
from genrec_eval.simulation.log import read_log
from genrec_eval.simulation.make import KIND as SIMULATOR
from genrec_eval.simulation.make import make_simulator
from genrec_eval.simulation.model import UserModel
from genrec_eval.simulation.past import Words
from genrec_eval.simulation.systems import Named, System

KIND = "ab_test"
RESULTS, USERS = "results.json", "users.parquet"


def make_ab(config: SimulateConfig, run: Path, a: str, b: str, seed: int, *, force: bool = False) -> Manifest:
    """Let the simulated users of ``run`` live with A and with B; write ``run/ab_test``.

    The simulator is fitted first if there is none or it is not current.

    ``results.json``    arms, lifts with their intervals, what CUPED gained, when the test could have stopped
    ``users.parquet``   user_id, arm, and each user's totals during the test and before (``before_…``)

    Args:
        config: the section ``simulate``.
        run: the run folder whose log the users come from.
        a: a system as :class:`Named` reads it; what everybody had before the test.
        b: the other one.
        seed: of the simulator and of all draws.
        force: simulate again even if nothing has changed.

    Raises:
        ArtifactError: if a run has no dataset or generator, or one with other items.
        UnknownNameError: if a baseline has another name.
        DataError: if the log does not tell likes from the rest, or an arm would have fewer than two users.
    """
    named = Named.read(a), Named.read(b)
    digests = {name: one.digest() for name, one in zip("ab", named, strict=True)}
    inputs = {SIMULATOR: make_simulator(config.users, run, seed).digest, **digests}
    path, settings = run / KIND, {**config.ab.model_dump(mode="json"), "a": str(named[0]), "b": str(named[1])}
    settings["seed"] = seed
    if not force and is_current(path, KIND, settings, inputs):
        remark(f"{path} is up to date.")
        return open_artifact(path, KIND)
    dataset = Dataset.load(run / "dataset")
    arms = _arms(dataset, config.ab, seed)
    words = Words.of(dataset, read_log(dataset, config.users))
    first = named[0].open(dataset, words, config.ab, seed)
    same = digests["a"] == digests["b"]
    systems = [first, first if same else named[1].open(dataset, words, config.ab, seed)]
    with new_artifact(path, KIND, settings, inputs, seed) as draft:
        model = UserModel.load(run / SIMULATOR)
        before, after, daily = simulate(model, dataset, systems, arms, config.ab, seed)
        results = {
            "a": str(named[0]),
            "b": str(named[1]),
            "daily": daily,
            **analyse(before, after, arms, shares(dataset.user_ids, f"{config.ab.salt}:order"), config.ab, daily),
        }
        (draft.path / RESULTS).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        _table(dataset, arms, before, after).write_parquet(draft.path / USERS)
    return open_artifact(path, KIND)


def simulate(
    model: UserModel, dataset: Dataset, systems: Sequence[System], arms: Ints, config: AbConfig, seed: int
) -> tuple[Totals, Totals, bool]:
    """Return what users did in the days before the test, all with ``systems[0]``, and in it.

    Args:
        model: how users behave.
        dataset: who they are.
        systems: A and B.
        arms: int [users], 0 for A, 1 for B, -1 for users that stay out.
        config: how long, and how often.
        seed: of all draws.

    Returns:
        The totals before and after, and whether users came daily: as it was set, or because the log has no times.
    """
    daily = config.returns == "daily" or model.returning is None
    if daily and config.returns == "log":
        remark("The log has no times, so there is no law of coming back: every user comes once a day.")
    population, before = Population(model, dataset, seed), Totals.none(len(arms))
    if config.pre_days:
        period = Period(0.0, config.pre_days, daily, config.length)
        before = population.live(systems[:1], np.minimum(arms, 0), period)
    period = Period(float(config.pre_days), config.days, daily, config.length)
    return before, population.live(systems, arms, period), daily


def analyse(
    before: Totals, after: Totals, arms: Ints, order: Floats, config: AbConfig, daily: bool
) -> dict[str, Any]:
    """Return the results of a test as plain data.

    Args:
        before: totals of the days before the test.
        after: totals of the test.
        arms: int [users], as in :func:`simulate`.
        order: float64 [users]; users are looked at from the lowest to the highest.
        config: level and share.
        daily: whether the number of visits was fixed, and so is no result.
    """
    rows = np.flatnonzero(arms >= 0)
    rows = rows[np.argsort(order[rows], kind="stable")]
    in_b = arms[rows] == 1
    names = ["likes", *(["values"] if after.values.any() else []), *([] if daily else ["visits"])]
    lifts = {
        name: asdict(lift(getattr(after, name)[rows], getattr(before, name)[rows], in_b, config.alpha))
        for name in names
    }
    return {
        "users": {"a": int((~in_b).sum()), "b": int(in_b.sum())},
        "mismatch_p": mismatch_p(in_b, config.share),
        "mismatch": mismatch(in_b, config.share),
        "shown": _per_arm(after.shown[rows], in_b),
        "like_share": _like_share(after, rows, in_b),
        "lifts": lifts,
    }


def _arms(dataset: Dataset, config: AbConfig, seed: int) -> Ints:
    """Return each user's arm: B for those whose share by name is below B's, -1 for who is not in the sample."""
    users = len(dataset.user_ids)
    arms = (shares(dataset.user_ids, config.salt) < config.share).astype(np.int64)
    if config.max_users is not None and config.max_users < users:
        kept = np.random.default_rng(seed).choice(users, config.max_users, replace=False)
        arms[np.setdiff1d(np.arange(users), kept)] = -1
    sizes = [int((arms == arm).sum()) for arm in (0, 1)]
    if min(sizes) < 2:
        raise DataError(
            f"The split gives A {sizes[0]} users and B {sizes[1]}; each needs at least two.",
            "Take more users, or another simulate.ab.share or simulate.ab.salt.",
        )
    return arms


def _per_arm(column: Floats, in_b: Bools) -> dict[str, float]:
    return {"a": float(column[~in_b].mean()), "b": float(column[in_b].mean())}


def _like_share(after: Totals, rows: Ints, in_b: Bools) -> dict[str, float]:
    likes, shown = _per_arm(after.likes[rows], in_b), _per_arm(after.shown[rows], in_b)
    return {arm: likes[arm] / max(shown[arm], 1e-12) for arm in ("a", "b")}


def _table(dataset: Dataset, arms: Ints, before: Totals, after: Totals) -> pl.DataFrame:
    columns = {f"before_{name}": column for name, column in vars(before).items()} | vars(after)
    names = pl.Series("arm", ["a", "b"])
    table = pl.DataFrame({"user_id": dataset.user_ids, "arm": names[arms.clip(0)], **columns})
    return table.filter(pl.Series(arms >= 0))
