"""Does the A/B test of genrec simulate keep its word? Many splits of the same simulated users.

    python benchmarks/ab_test.py --run runs/films --b runs/films --likes min_value=4
    python benchmarks/ab_test.py --run runs/videos --b runs/videos:item_knn --likes click --returns log

Every simulated user lives with A and with B, with the same luck. Then the users are split again and again, as if
each had had one of them. A against A: how often is a difference found where there is none, by one look at the end,
by looking after every user at an interval made for one look, and by the confidence sequence? A against B: how often
do the intervals hold the difference between everybody's two lives, and how often is it found? The users are the
same in all splits, so the two questions are about the split alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from genrec.data import Dataset
from genrec_eval.simulation.ab import Outcome, simulate
from genrec_eval.simulation.analysis import FIRST_LOOK, confidence_sequence, estimates, lift
from genrec_eval.simulation.arrays import Floats
from genrec_eval.simulation.config import AbConfig, UsersConfig
from genrec_eval.simulation.draws import shares
from genrec_eval.simulation.log import read_log
from genrec_eval.simulation.make import KIND, make_simulator
from genrec_eval.simulation.model import UserModel
from genrec_eval.simulation.past import Words
from genrec_eval.simulation.systems import Named

ALPHA = 0.05
Z = 1.959964


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="whose users are simulated")
    parser.add_argument("--a", default=None, help="A; RUN:popularity unless told")
    parser.add_argument("--b", required=True, help="B")
    parser.add_argument("--likes", required=True, help="min_value=X, or the behavior that is a like")
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--pre-days", type=int, default=5)
    parser.add_argument("--returns", choices=("daily", "log"), default="daily")
    parser.add_argument("--splits", type=int, default=2000)
    parser.add_argument("--json", type=Path, default=None, help="write the figures there")
    arguments = parser.parse_args()
    arguments.a = arguments.a or f"{arguments.run}:popularity"
    found = measure(arguments)
    print(json.dumps(found, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Simulate both lives of every user, then split them."""
    key, _, value = arguments.likes.partition("=")
    users = UsersConfig(min_value=float(value)) if value else UsersConfig(behaviors=(key,))
    config = AbConfig(
        days=arguments.days, pre_days=arguments.pre_days, returns=arguments.returns, design="both", alpha=ALPHA
    )
    make_simulator(users, arguments.run, seed=0)
    dataset = Dataset.load(arguments.run / "dataset")
    words = Words.of(dataset, read_log(dataset, users))
    systems = [Named.read(name).open(dataset, words, config, 0) for name in (arguments.a, arguments.b)]
    everybody = np.zeros(len(dataset.user_ids), dtype=np.int64)
    outcome = simulate(UserModel.load(arguments.run / KIND), dataset, systems, everybody, config, seed=0)
    about = {"days": arguments.days, "pre_days": arguments.pre_days, "returns": arguments.returns}
    return {
        "users": len(everybody),
        "splits": arguments.splits,
        **about,
        **_over_splits(dataset, outcome, arguments),
    }


def _over_splits(dataset: Dataset, outcome: Outcome, arguments: argparse.Namespace) -> dict[str, Any]:
    a, b, before = outcome.a.likes, outcome.b.likes, outcome.before.likes
    same, different = np.zeros(3), []
    for salt in range(arguments.splits):
        order = np.argsort(shares(dataset.user_ids, f"{salt}:order"))
        in_b = (shares(dataset.user_ids, str(salt)) < 0.5)[order]
        same += _found(a[order], before[order], in_b)
        different.append(lift(np.where(in_b, b[order], a[order]), before[order], in_b, ALPHA))
    truth = float((b - a).mean())
    held = [one.interval[0] <= truth <= one.interval[1] for one in different]
    anytime = [one.anytime[0] <= truth <= one.anytime[1] for one in different]
    stopped = [one.stopped_after for one in different if one.stopped_after is not None]
    names = ("one_look", "looking_always_at_the_same_interval", "confidence_sequence")
    return {
        "a_against_a": dict(zip(names, (same / arguments.splits).tolist(), strict=True)),
        "a_against_b": {
            "likes_a": float(a.mean()),
            "true_difference": truth,
            "held": float(np.mean(held)),
            "held_by_sequence": float(np.mean(anytime)),
            "found": float(np.mean([one.interval[0] > 0 or one.interval[1] < 0 for one in different])),
            "found_by_sequence": len(stopped) / arguments.splits,
            "median_users_then": float(np.median(stopped)) if stopped else None,
            "mean_width": float(np.mean([np.ptp(one.interval) for one in different])),
            "mean_variance_reduction": float(np.mean([one.variance_reduction for one in different])),
        },
    }


def _found(after: Floats, before: Floats, in_b: np.ndarray) -> Floats:
    """Return 1 where a difference was found: by one look, by looking always, by the confidence sequence."""
    running = estimates(after, before, in_b)
    outside = np.abs(running.difference) > Z * running.error
    low, high = confidence_sequence(running, ALPHA)
    return np.array([outside[-1], outside[FIRST_LOOK - 1 :].any(), ((low > 0) | (high < 0)).any()], dtype=float)


if __name__ == "__main__":
    main()
