"""``genrec simulate ab``: an A/B test of two systems on simulated users."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from genrec.console import remark
from genrec.data import Dataset
from genrec.errors import DataError
from genrec.runs import Manifest, is_current, new_artifact, open_artifact
from genrec_eval.simulation.analysis import Lift, lift, lift_of_pairs, mismatch, mismatch_p
from genrec_eval.simulation.arrays import Floats, Ints
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
    systems = [one.open(dataset, words, config.ab, seed) for one in named]
    with new_artifact(path, KIND, settings, inputs, seed) as draft:
        outcome = simulate(UserModel.load(run / SIMULATOR), dataset, systems, arms, config.ab, seed)
        order = shares(dataset.user_ids, f"{config.ab.salt}:order")
        results = {**{name: settings[name] for name in ("a", "b", "design")}, **analyse(outcome, order, config.ab)}
        (draft.path / RESULTS).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        _table(dataset, outcome).write_parquet(draft.path / USERS)
    return open_artifact(path, KIND)


class Outcome(NamedTuple):
    """What users did.

    Args:
        a_users, b_users: int [users], who had A and who had B; the same where everybody had both.
        before: totals of the days before the test.
        a, b: totals with A and with B.
        daily: whether users came daily, so that the number of visits is no result.
    """

    a_users: Ints
    b_users: Ints
    before: Totals
    a: Totals
    b: Totals
    daily: bool


def simulate(
    model: UserModel, dataset: Dataset, systems: Sequence[System], arms: Ints, config: AbConfig, seed: int
) -> Outcome:
    """Let users live with ``systems[0]`` before the test, and in it with what they are to have.

    Args:
        model: how users behave.
        dataset: who they are.
        systems: A and B, which share nothing that changes.
        arms: int [users], 0 for A, 1 for B, -1 for users that stay out.
        config: how long, how often, and whether users have one of them or both.
        seed: of all draws.
    """
    daily = config.returns == "daily" or model.returning is None
    if daily and config.returns == "log":
        remark("The log has no times, so there is no law of coming back: every user comes once a day.")
    population, before, all_a = Population(model, dataset, seed), Totals.none(len(arms)), np.minimum(arms, 0)
    if config.pre_days:
        before = population.live(systems[:1], all_a, Period(0.0, config.pre_days, daily, config.length))
    period = Period(float(config.pre_days), config.days, daily, config.length)
    if config.design == "both":
        everybody, twin = np.flatnonzero(arms >= 0), population.twin()
        a = population.live(systems[:1], all_a, period)
        return Outcome(everybody, everybody, before, a, twin.live(systems[1:], all_a, period), daily)
    after = population.live(systems, arms, period)
    return Outcome(np.flatnonzero(arms == 0), np.flatnonzero(arms == 1), before, after, after, daily)


def analyse(outcome: Outcome, order: Floats, config: AbConfig) -> dict[str, Any]:
    """Return the results of a test as plain data.

    Args:
        outcome: what users did.
        order: float64 [users]; users are looked at from the lowest to the highest.
        config: level, share and design.
    """
    a, b, both = outcome.a_users, outcome.b_users, config.design == "both"
    names = ["likes"]
    names += ["values"] if outcome.a.values.any() or outcome.b.values.any() else []
    names += [] if outcome.daily else ["visits"]
    in_b = np.isin(np.union1d(a, b), b)
    shown, likes = ({"a": _mean(outcome.a, name, a), "b": _mean(outcome.b, name, b)} for name in ("shown", "likes"))
    return {
        "daily": outcome.daily,
        "users": {"a": len(a), "b": len(b)},
        "mismatch_p": None if both else mismatch_p(in_b, config.share),
        "mismatch": not both and mismatch(in_b, config.share),
        "shown": shown,
        "like_share": {arm: likes[arm] / max(shown[arm], 1e-12) for arm in ("a", "b")},
        "lifts": {name: asdict(_lift(outcome, name, order, config)) for name in names},
    }


def _lift(outcome: Outcome, name: str, order: Floats, config: AbConfig) -> Lift:
    users = np.union1d(outcome.a_users, outcome.b_users)
    users = users[np.argsort(order[users], kind="stable")]
    a, b = getattr(outcome.a, name)[users], getattr(outcome.b, name)[users]
    if config.design == "both":
        return lift_of_pairs(a, b, config.alpha)
    in_b = np.isin(users, outcome.b_users)
    return lift(np.where(in_b, b, a), getattr(outcome.before, name)[users], in_b, config.alpha)


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


def _mean(totals: Totals, name: str, users: Ints) -> float:
    column: Floats = getattr(totals, name)
    return float(column[users].mean())


def _table(dataset: Dataset, outcome: Outcome) -> pl.DataFrame:
    """Return one row a user, or two where users had both."""
    parts = []
    for arm, users, totals in (("a", outcome.a_users, outcome.a), ("b", outcome.b_users, outcome.b)):
        columns = {f"before_{name}": column[users] for name, column in vars(outcome.before).items()}
        columns |= {name: column[users] for name, column in vars(totals).items()}
        names = [dataset.user_ids[user] for user in users]
        parts.append(pl.DataFrame({"user_id": names, "arm": [arm] * len(users), **columns}))
    return pl.concat(parts).sort("user_id", "arm")
