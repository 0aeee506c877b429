"""Re-ranking a list between two requests: how near to the best order, how fast, and whether it helps.

    python benchmarks/reranking.py                          # the planted world: two minutes on a core
    python benchmarks/reranking.py --run runs/demo          # a run with values and sessions as well

The planted world is genrec_alignment.reranking.world. ``near``: the scorer's own ListReward of orders that are
planned again for every item, as a share of the best order's (a beam that drops nothing, so up to 7 items).
``showing``: expected reward in the world. On a run the last fifth of the users is kept from training; every
session of at least ten items of theirs is shown in several orders, and an item answers as it did in the log.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from genrec.reranking.marks import Past
from genrec.reranking.onnx import OnnxScorer
from genrec.reranking.scorer import Scorer
from genrec.reranking.search import list_reward, plan
from genrec.reranking.session import SearchSettings
from genrec_alignment.reranking import showing
from genrec_alignment.reranking.config import RerankConfig
from genrec_alignment.reranking.log import SessionLog
from genrec_alignment.reranking.onnx import export_onnx
from genrec_alignment.reranking.run import log_of_run
from genrec_alignment.reranking.training import to_scorer, train
from genrec_alignment.reranking.world import MoodWorld, Shows

FULL = SearchSettings(stability=2.0)
WAYS: dict[str, Callable[..., Shows]] = {
    "sorted once": showing.sorted_once,
    "planned once": showing.planned_once,
    "planned again, told nothing": partial(showing.planned_again, tells=False),
    "planned again, told the answers": showing.planned_again,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=None, help="measure on this run folder as well")
    parser.add_argument("--viewed", type=float, default=4, help="least value that is a view")
    parser.add_argument("--liked", type=float, default=5, help="least value that is a like")
    parser.add_argument("--lists", type=int, default=200)
    parser.add_argument("--updates", type=int, default=300)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    world = MoodWorld()
    config = RerankConfig(updates=arguments.updates, batch_size=256, past=10, learning_rate=5e-3)
    network = train(world.log(4000, 12, np.random.default_rng(0)), config)
    scorer = to_scorer(network)
    in_the_world(world, scorer, arguments.lists)
    near_the_best(world, scorer, 20)
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(network, Path(folder) / "reranker.onnx")
        as_a_file(world, scorer, OnnxScorer(Path(folder) / "reranker.onnx"), 50)
    if arguments.run:
        on_a_run(log_of_run(arguments.run, arguments.viewed, arguments.liked), config, arguments.lists)


def in_the_world(world: MoodWorld, scorer: Scorer, lists: int) -> None:
    print("| showing | a mood that stays | a mood that changes after three items |\n|---|---|---|")
    empty = Past.empty(scorer.shape.dims)
    for name, way in {"as given": None, **WAYS}.items():
        cells = []
        for change in (False, True):

            def ask(items: np.ndarray, features: np.ndarray, way: Callable[..., Shows] | None = way) -> Shows:
                return way(scorer, empty, world.vectors[items], features) if way else showing.as_given(items)

            found = world.live(ask, lists, 12, np.random.default_rng(1), change)
            cells.append(f"{found.mean():.2f} ± {found.std(ddof=1) / np.sqrt(lists):.2f}")
        print(f"| {name} | {' | '.join(cells)} |")


def near_the_best(world: MoodWorld, scorer: Scorer, lists: int) -> None:
    print("\n| items | share of the best | full beam | sorted once | scored, adaptive / full | ms, both |")
    print("|---|---|---|---|---|---|")
    for items in (5, 7, 10, 20, 50):
        rng, rows = np.random.default_rng(items), []
        for _ in range(lists):
            shown = rng.choice(len(world.category), items, replace=False)
            rows.append(one_list(scorer, world.vectors[shown], world.features(shown, rng)))
        best, adaptive, full, single, *costs = np.array(rows).T
        shares = [f"{np.mean(found / best):.3f}" if items <= 7 else "-" for found in (adaptive, full, single)]
        few, many, fast, slow = (np.mean(cost) for cost in costs)
        print(f"| {items} | {' | '.join(shares)} | {few:.0f} / {many:.0f} | {fast:.1f} / {slow:.1f} |")


def one_list(scorer: Scorer, vectors: np.ndarray, features: np.ndarray) -> list[float]:
    """Return rewards (best, adaptive, full, sorted), then what the first plan scored and took in both searches."""
    empty, items = Past.empty(scorer.shape.dims), len(vectors)
    judge = scorer.judge(empty, vectors, features)
    best = plan(judge, items, width=5040, stability=2.0).reward if items <= 7 else np.nan
    ways = [showing.planned_again(scorer, empty, vectors, features, tells=False, search=s) for s in (None, FULL)]
    if items > 7:
        rewards = [np.nan] * 3
    else:
        ways.append(showing.sorted_once(scorer, empty, vectors, features))
        rewards = [list_reward(judge, np.array([[way.next() for _ in range(items)]]))[0] for way in ways]
    costs, times = [], []
    for stability in (0.95, 2.0):
        began = time.perf_counter()
        costs.append(plan(scorer.judge(empty, vectors, features), items, stability=stability).scored)
        times.append(1000 * (time.perf_counter() - began))
    return [best, *rewards, *costs, *times]


def as_a_file(world: MoodWorld, here: Scorer, file: OnnxScorer, lists: int) -> None:
    print("\n| items | ms a plan, numpy: median / slowest | onnxruntime: median / slowest |\n|---|---|---|")
    empty = Past.empty(here.shape.dims)
    for items in (5, 10, 20, 50):
        rng, cells = np.random.default_rng(items), []
        shown = [rng.choice(len(world.category), items, replace=False) for _ in range(lists)]
        asked = [(world.vectors[some], world.features(some, rng)) for some in shown]
        for scorer in (here, file):
            taken = []
            for vectors, features in asked:
                began = time.perf_counter()
                plan(scorer.judge(empty, vectors, features), items)
                taken.append(1000 * (time.perf_counter() - began))
            cells.append(f"{np.median(taken):.1f} / {max(taken):.1f}")
        print(f"| {items} | {' | '.join(cells)} |")


def on_a_run(log: SessionLog, config: RerankConfig, lists: int, items: int = 10) -> None:
    users = np.unique(log.users)
    cut = users[int(0.8 * len(users))]
    scorer = to_scorer(train(log.only(users[users < cut]), config))
    held = log.only(users[users >= cut])
    starts = held.session_starts
    first, counts = np.unique(starts, return_counts=True)
    first = np.random.default_rng(0).permutation(first[counts >= items])[:lists]
    print(f"\n| showing ({len(first)} sessions of new users) | share of the best order's value |\n|---|---|")
    ways = {"as in the log": None, **{f"by {name}": at for at, name in enumerate(log.feature_names)}, **WAYS}
    for name, way in ways.items():
        found = np.array([replayed(held, row, items, way, scorer) for row in first])
        found = found[~np.isnan(found)]
        print(f"| {name} | {found.mean():.3f} ± {found.std(ddof=1) / np.sqrt(len(found)):.3f} |")


def replayed(log: SessionLog, row: int, items: int, way: object, scorer: Scorer) -> float:
    """Return Σ .9^i (viewed + liked) of the order in which a session's items are shown, over the best order's."""
    rows = np.arange(row, row + items)
    rows = rows if way is None else np.random.default_rng(row).permutation(rows)
    vectors, features = log.vectors[log.items[rows]], log.features[rows]
    if way is None:
        shower: Shows = showing.as_given(rows)
    elif isinstance(way, int):
        shower = showing.Fixed(np.argsort(-features[:, way], kind="stable"))
    else:
        assert callable(way)
        shower = way(scorer, log.before(row), vectors, features)
    values, discount = log.outcomes[rows, 1] + log.outcomes[rows, 2], 0.9 ** np.arange(items)
    reward = 0.0
    for place in range(items):
        chosen = shower.next()
        reward += discount[place] * values[chosen]
        shower.told(chosen, bool(log.outcomes[rows[chosen], 1]), bool(log.outcomes[rows[chosen], 2]))
    best = float((np.sort(values)[::-1] * discount).sum())
    return reward / best if best else float("nan")


if __name__ == "__main__":
    main()
