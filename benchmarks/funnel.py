"""What each way to learn P(order | click) says of items that nobody clicked, in a world where the truth is known.

    python benchmarks/funnel.py           # about two minutes on two cores

40,000 shown items with four features. A cause that the features show dimly makes people click and order ("hidden"),
or there is none, and all that decides is seen ("seen"). Small towers are asked about 40,000 other items. ``error``
is the mean distance to the true chance of an order after a click, ``bias`` the mean difference, ``AUC`` that of
orders drawn for all items, clicked or not. Means of the seeds.

clicks alone   learns from clicked items
all as clicks  takes an item without a click for one without an order
ESMM           P(click) · P(order | click) is what it learns: ``reward.funnel: esmm``
IPW            clicked items, weighted by 1 / P(click)
ChorusCVR      ``reward.funnel: chorus``; without the agreement: ``reward.agreement: 0``
"""

from __future__ import annotations

import argparse
import itertools
import json
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from genrec_alignment.reward.funnel import LEAST_PROPENSITY, chorus_loss, joint_logit
from genrec_eval.metrics.auc import auc

WAYS = ("clicks alone", "all as clicks", "ESMM", "IPW", "ChorusCVR without agreement", "ChorusCVR")
WORLDS = {"hidden": 1.5, "seen": 0.0}  # how much the hidden cause weighs


class Log(NamedTuple):
    """Shown items: float32 [items, 5] and three times [items]; the last is the true P(order | click)."""

    features: Tensor
    clicked: Tensor
    ordered: Tensor
    truth: Tensor


def world(rng: np.random.Generator, items: int, cause: float) -> Log:
    """Return a log of random items."""
    features, hidden = rng.normal(size=(items, 4)), rng.normal(size=items)
    click = 1 / (1 + np.exp(-(2 * features[:, 0] + cause * hidden - 1.5)))
    order = 1 / (1 + np.exp(-(features[:, 1] + 0.7 * features[:, 0] + cause * hidden - 0.5)))
    clicked = rng.random(items) < click
    ordered = clicked & (rng.random(items) < order)
    dim = np.column_stack([features, hidden + rng.normal(size=items)])
    return Log(*(torch.from_numpy(np.asarray(array, dtype=np.float32)) for array in (dim, clicked, ordered, order)))


def loss_of(way: str, log: Log, click: Tensor, order: Tensor, against: Tensor) -> Tensor:
    """Return the loss of three towers' logits."""
    _, clicked, ordered, _ = log
    if way == "clicks alone":
        return bce(order[clicked > 0], ordered[clicked > 0])
    if way == "all as clicks":
        return bce(order, ordered)
    if way == "IPW":
        weights = clicked / click.sigmoid().detach().clamp(min=LEAST_PROPENSITY)
        return bce(click, clicked) + (weights * bce(order, ordered, reduction="none")).mean()
    loss = bce(click, clicked) + bce(joint_logit(click, order), ordered)
    if way == "ESMM":
        return loss
    return loss + chorus_loss(click, order, against, clicked, ordered, float(way == "ChorusCVR"))


def learned(way: str, log: Log, asked: Tensor, seed: int) -> np.ndarray:
    """Return P(order | click) of other items as towers say that learned in one way, float32 [items]."""
    torch.manual_seed(seed)
    towers = [nn.Sequential(nn.Linear(5, 16), nn.SiLU(), nn.Linear(16, 1)) for _ in range(3)]
    optimizer = torch.optim.AdamW([weights for tower in towers for weights in tower.parameters()], 1e-2)
    for _ in range(300):
        loss = loss_of(way, log, *(tower(log.features)[:, 0] for tower in towers))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return towers[1](asked)[:, 0].sigmoid().numpy()


def figures(way: str, cause: float, items: int, seed: int) -> tuple[float, float, float]:
    """Return error, bias and AUC of a way in a world."""
    rng = np.random.default_rng(seed)
    log, others = world(rng, items, cause), world(rng, items, cause)
    truth, said = others.truth.numpy(), learned(way, log, others.features, seed)
    area = auc(rng.random(items) < truth, said)
    assert area is not None  # among so many items both kinds are there
    return float(np.abs(said - truth).mean()), float((said - truth).mean()), area


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--items", type=int, default=40_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = {name: {} for name in WORLDS}
    for (name, cause), way in itertools.product(WORLDS.items(), WAYS):
        each = [figures(way, cause, options.items, seed) for seed in options.seeds]
        found[name][way] = np.mean(each, axis=0).round(4).tolist()
    if options.json:
        print(json.dumps(found))
        return
    print("| cause | way | error | bias | AUC |\n|---|---|---|---|---|")
    for name, ways in found.items():
        for way, (error, bias, area) in ways.items():
            print(f"| {name} | {way} | {error:.3f} | {bias:+.3f} | {area:.3f} |")


if __name__ == "__main__":
    main()
