"""PrefRec among users who tire: how often they come back under policies learnt from the same log.

    python benchmarks/prefrec.py                       # five seeds, two logs
    python benchmarks/prefrec.py --seeds 1 --users 100
    python benchmarks/prefrec.py --json docs/results/prefrec.json
    python benchmarks/prefrec.py --table               # the table again, from the results file

The world is genrec_alignment.prefrec.simulator. Every policy learns from one log of ``--users`` users and is then
lived with by as many new ones. The log is made by chance, or by a policy that draws by its guess of the next click.

    by chance        anything
    the log's own    what made the log, imitated (advantage weight 0), drawn from
    myopic           what it guesses to be clicked next
    clicks           PrefRec's critic and policy, but with clicks as the reward
    reward alone     what the learnt reward scores highest, without a critic
    PrefRec          reward from return times, critic, policy
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch

from genrec_alignment.prefrec.config import PrefRecConfig
from genrec_alignment.prefrec.learner import Learner
from genrec_alignment.prefrec.memory import states_of
from genrec_alignment.prefrec.pairs import pairs_by_return
from genrec_alignment.prefrec.policy import NetworkPolicy, RandomPolicy
from genrec_alignment.prefrec.reward import pair_accuracy
from genrec_alignment.prefrec.simulator import HALF_LIVES, FatigueWorld, Policy, outcome
from genrec_alignment.prefrec.steps import Steps

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "prefrec.json"
CONFIG = PrefRecConfig()


class Row(TypedDict):
    """What one policy came to in one world."""

    log: str
    seed: int
    policy: str
    sessions: float
    clicks: float
    click_rate: float
    accuracy: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--json", type=Path, default=None, help="write the rows there")
    parser.add_argument("--table", action="store_true", help=f"only print the table of {RESULTS.name}")
    arguments = parser.parse_args()
    if arguments.table:
        print_table(json.loads(RESULTS.read_text())["rows"])
        return
    torch.set_num_threads(1)
    world, rows = FatigueWorld(days=arguments.days), []
    for seed in range(arguments.seeds):
        for log in ("chance", "clicks"):
            rows += measure(world, log, arguments.users, seed)
            print_table([row for row in rows if row["seed"] == seed and row["log"] == log])
    print_table(rows)
    if arguments.json:
        settings = {"users": arguments.users, "days": arguments.days, "config": CONFIG.model_dump(mode="json")}
        arguments.json.write_text(json.dumps({**settings, "rows": rows}, indent=1) + "\n")


def measure(world: FatigueWorld, kind: str, users: int, seed: int) -> list[Row]:
    """Return a row for every policy learnt from one log."""
    log = make_log(world, kind, users, seed)
    policies, accuracy = learn(world, log, seed)
    rows = []
    for name, policy in policies.items():
        found = outcome(world.run(policy, users, 1000 + seed), users)
        rows.append(Row(log=kind, seed=seed, policy=name, **found._asdict(), accuracy=accuracy))
    return rows


def make_log(world: FatigueWorld, kind: str, users: int, seed: int) -> Steps:
    by_chance = world.run(RandomPolicy(len(world.category)), users, seed)
    if kind == "chance":
        return by_chance
    return world.run(NetworkPolicy(learner_of(world, by_chance, seed).myopic(), draws=True), users, 500 + seed)


def learn(world: FatigueWorld, log: Steps, seed: int) -> tuple[dict[str, Policy], float]:
    """Return the policies, and the share of new pairs that the reward orders rightly."""
    learner, rng = learner_of(world, log, seed), np.random.default_rng(seed)
    reward = learner.reward(pairs_by_return(log, CONFIG.segment, CONFIG.pairs, rng))
    critic = learner.critic(learner.rewards(reward))
    clicks = torch.from_numpy((log.feedback - log.feedback.mean()) / log.feedback.std())
    policies: dict[str, Policy] = {
        "by chance": RandomPolicy(len(world.category)),
        "the log's own": NetworkPolicy(learner.policy(None), draws=True),
        "myopic": NetworkPolicy(learner.myopic()),
        "clicks": NetworkPolicy(learner.policy(learner.critic(clicks))),
        "reward alone": NetworkPolicy(reward),
        "PrefRec": NetworkPolicy(learner.policy(critic)),
    }
    other = world.run(RandomPolicy(len(world.category)), len(np.unique(log.users)), 2000 + seed)
    judged = learner_of(world, other, seed)
    pairs = pairs_by_return(other, CONFIG.segment, 5000, rng)
    return policies, pair_accuracy(reward, judged.states, judged.items, pairs)


def learner_of(world: FatigueWorld, log: Steps, seed: int) -> Learner:
    return Learner(log, states_of(log, world.vectors, HALF_LIVES), world.vectors, CONFIG, seed)


def print_table(rows: list[Row]) -> None:
    print("| log by | policy | sessions a user | clicks a user | clicked of what was shown |")
    print("|---|---|---|---|---|")
    for log, policy in dict.fromkeys((row["log"], row["policy"]) for row in rows):
        same = [row for row in rows if (row["log"], row["policy"]) == (log, policy)]
        cells = [spread([row[key] for row in same], digits) for key, digits in FIGURES]  # type: ignore[literal-required]
        print(f"| {log} | {policy} | {' | '.join(cells)} |")
    for log in dict.fromkeys(row["log"] for row in rows):
        right = [row["accuracy"] for row in rows if row["log"] == log]
        print(f"Pairs of new users that the reward orders rightly, log by {log}: {spread(right, 3)}")


FIGURES = (("sessions", 1), ("clicks", 1), ("click_rate", 3))


def spread(values: list[float], digits: int) -> str:
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(set(values)) > 1 else ""
    return f"{np.mean(values):.{digits}f}{deviation}"


if __name__ == "__main__":
    main()
