"""Open Bandit: the value of the policy ``bts`` from the logs of ``random``, beside what it really earned.

    pip download obp==0.4.1 --no-deps && python -m zipfile -e obp-0.4.1-py3-none-any.whl obp   # 1.3 MB, Apache-2.0
    python benchmarks/off_policy.py obp                 # half a minute of one core
    PYTHONPATH=obp python benchmarks/off_policy.py obp --against-obp --json

The wheel ships a sample of the Open Bandit Dataset (Saito et al., arXiv:2008.07146): 10,000 rows of each of two
policies in each of three campaigns of a fashion shop. A row is an item at one of three places, and whether it was
clicked. ``bts`` is Bernoulli Thompson sampling, which went on learning while it ran. What it shows is known in two
ways, neither of which looks at the clicks of its log:

    shown  how often its own log has each item at each place: the average of what it was while it ran
    prior  drawn from the prior that the wheel ships, with which it began; ``distance`` is how far that is from
           ``shown`` (total variation, mean over places, 0 to 1)

The reward model is an item's share of clicks, drawn toward that of all items (as if shown 100 times more), fitted
on all folds but a row's own, of five. Intervals are of 95 %.

``--against-obp`` compares every estimate with that of obp's estimators on the same rows; obp wants pandas,
scikit-learn, torch and seaborn.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import yaml

from genrec_eval.off_policy import BanditLog, Estimate, estimate_all

CAMPAIGNS, TARGETS, PLACES = ("all", "men", "women"), ("shown", "prior"), 3
DRAWS, FOLDS, PRIOR_SHOWN = 200_000, 5, 100
Floats = npt.NDArray[np.float64]
OBP_NAMES = {
    "ips": "InverseProbabilityWeighting",
    "snips": "SelfNormalizedInverseProbabilityWeighting",
    "direct_method": "DirectMethod",
    "doubly_robust": "DoublyRobust",
}


class Rows(NamedTuple):
    """A log: of each row the item, its place from 0, whether it was clicked, and the propensity."""

    items: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    clicks: Floats
    propensities: Floats


def read(folder: Path, policy: str, campaign: str) -> Rows:
    columns = ["item_id", "position", "click", "propensity_score"]
    file = folder / "obp" / "dataset" / "obd" / policy / campaign / f"{campaign}.csv"
    table = pl.read_csv(file, columns=columns)
    items, places, clicks, propensities = (table[name].to_numpy() for name in columns)
    return Rows(items, places - 1, clicks.astype(float), propensities)


def from_prior(folder: Path, campaign: str, seed: int) -> Floats:
    """Return how often Thompson sampling from the shipped prior puts each item at each place, [items, places]."""
    file = folder / "obp" / "policy" / "conf" / "prior_bts.yaml"
    prior = yaml.safe_load(file.read_text())[campaign]
    alpha, beta = np.array(prior["alpha"]), np.array(prior["beta"])
    rng, counts = np.random.default_rng(seed), np.zeros((len(alpha), PLACES))
    for _ in range(DRAWS // 10_000):
        best = np.argsort(-rng.beta(alpha, beta, (10_000, len(alpha))), axis=1)[:, :PLACES]
        for place in range(PLACES):
            counts[:, place] += np.bincount(best[:, place], minlength=len(alpha))
    return counts / DRAWS


def as_shown(rows: Rows, items: int) -> Floats:
    """Return how often each item stands at each place of a log, [items, places], each place's sum being 1."""
    counts = np.bincount(rows.items * PLACES + rows.places, minlength=items * PLACES).reshape(items, PLACES)
    return counts / counts.sum(axis=0)


def click_model(rows: Rows, items: int, seed: int) -> Floats:
    """Return each item's estimated share of clicks for every row, from the other folds, [rows, items, places]."""
    fold = np.random.default_rng(seed).integers(0, FOLDS, len(rows.items))
    tables = []
    for number in range(FOLDS):
        of = fold != number
        shown = np.bincount(rows.items[of], minlength=items)
        clicked = np.bincount(rows.items[of], rows.clicks[of], items)
        tables.append((clicked + PRIOR_SHOWN * rows.clicks[of].mean()) / (shown + PRIOR_SHOWN))
    return np.repeat(np.stack(tables)[fold][:, :, None], PLACES, axis=2)


def against_obp(rows: Rows, target: Floats, guesses: Floats, found: list[Estimate]) -> float:
    """Return the largest difference between an estimate and that of obp."""
    from obp import ope

    given: dict[str, Any] = {"reward": rows.clicks, "action": rows.items, "position": rows.places}
    given |= {"pscore": rows.propensities, "action_dist": target, "estimated_rewards_by_reg_model": guesses}
    theirs = [getattr(ope, OBP_NAMES[one.estimator])().estimate_policy_value(**given) for one in found]
    return max(abs(one.value - float(other)) for one, other in zip(found, theirs, strict=True))


def measure(folder: Path, campaign: str, seed: int, compare: bool) -> dict[str, Any]:
    shown, own = read(folder, "random", campaign), read(folder, "bts", campaign)
    items = int(max(shown.items.max(), own.items.max())) + 1
    guesses, result = click_model(shown, items, seed), {}
    tables = {"shown": as_shown(own, items), "prior": from_prior(folder, campaign, seed)}
    for name, table in tables.items():
        target = np.broadcast_to(table, (len(shown.items), items, PLACES))
        log = BanditLog.from_policies(shown.clicks, shown.items, shown.propensities, target, guesses, shown.places)
        found = estimate_all(log)
        result[name] = {"estimates": [one.to_dict() for one in found], "largest_weight": float(log.weights.max())}
        if compare:
            result[name]["largest_difference_from_obp"] = against_obp(shown, target, guesses, found)
    means = {name: of_log(rows) for name, rows in (("bts", own), ("random", shown))}
    distance = float(np.abs(tables["shown"] - tables["prior"]).sum(axis=0).mean() / 2)
    return {"campaign": campaign, "on_policy": means, "distance": distance, **result}


def of_log(rows: Rows) -> dict[str, float]:
    mean, error = float(rows.clicks.mean()), float(rows.clicks.std(ddof=1) / np.sqrt(len(rows.clicks)))
    return {"mean": mean, "low": mean - 1.96 * error, "high": mean + 1.96 * error, "clicks": rows.clicks.sum()}


def as_markdown(results: list[dict[str, Any]]) -> str:
    head = "campaign | target | estimator | clicks, ‰ | 95 % interval | effective rows"
    lines = [f"| {head} |", "|---|---|---|---|---|---|"]
    for result in results:
        campaign = result["campaign"]
        for name, mean in result["on_policy"].items():
            lines.append(_row(campaign, "", f"*{name}*, its own log", mean["mean"], mean["low"], mean["high"]))
        lines += [
            _row(campaign, name, one["estimator"], one["value"], one["low"], one["high"], one["effective_rows"])
            for name in TARGETS
            for one in result[name]["estimates"]
        ]
    distances = ", ".join(f"{result['campaign']} {result['distance']:.2f}" for result in results)
    return "\n".join([*lines, "", f"distance of prior from shown: {distances}"])


def _row(
    campaign: str, target: str, name: str, value: float, low: float, high: float, rows: float | None = None
) -> str:
    interval, effective = f"{1000 * low:.2f} to {1000 * high:.2f}", "" if rows is None else f"{rows:,.0f}"
    return f"| {campaign} | {target} | {name} | {1000 * value:.2f} | {interval} | {effective} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the wheel of obp was unpacked")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--against-obp", action="store_true", help="compare with obp's estimators, too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    results = [measure(given.folder, campaign, given.seed, given.against_obp) for campaign in CAMPAIGNS]
    print(json.dumps(results) if given.json else as_markdown(results))
    if given.against_obp and not given.json:
        worst = max(result[name]["largest_difference_from_obp"] for result in results for name in TARGETS)
        print(f"largest difference from obp: {worst:.1e}")


if __name__ == "__main__":
    main()
