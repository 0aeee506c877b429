"""Is the harness right? Split, metrics and baselines against RecBole 1.2.1 on MovieLens-100k.

    pip install --target recbole-needs --no-deps colorlog==4.7.2 colorama==0.4.4 texttable plotly thop
    PYTHONPATH=recbole-needs python -W ignore benchmarks/recbole_agreement.py   # writes docs/results/recbole.json
    python benchmarks/recbole_agreement.py --check              # ours again, against the file; without RecBole

RecBole (genrec has the package for its data alone) cuts MovieLens-100k leave one out in the order of time, fits
EASE and ItemKNN, ranks all items but those of training and validation, and measures with its own evaluator. Then

    split    has each user the same items of validation and test here? RecBole reads times as 32-bit floats, in
             which those of a minute are the same: the file names the users whose last items are others in its
             order, and what follows takes its order
    lists    what our metrics make of RecBole's own lists
    own      what our EASE and ItemKNN with the same settings come to, by our ranking and our metrics

The histories that are scored are those of training, as in RecBole; `genrec evaluate` adds the validation item.
ItemKNN has all items as neighbours: with fewer, RecBole takes the nearest of the candidate, and we those of the
item of the history. RecBole's Pop is left out: it counts an item once a batch, however often it occurs there.
RecBole leaves a folder ``log_tensorboard`` where it is run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from genrec.data import Dataset
from genrec.data.config import DataConfig
from genrec.data.make import make_dataset
from genrec_eval.baselines.base import Baseline
from genrec_eval.baselines.ease import Ease
from genrec_eval.baselines.item_knn import ItemKNN
from genrec_eval.metrics import accuracy

FILE = Path(__file__).resolve().parents[1] / "docs" / "results" / "recbole.json"
KS = (5, 10, 20)
Figures = dict[str, float]
Moved = Mapping[str, list[str]]


class Method(NamedTuple):
    """A method in both: RecBole's settings, and ours made."""

    recbole: dict[str, Any]
    own: Callable[[], Baseline]


METHODS = {
    "EASE": Method({"reg_weight": 250.0}, lambda: Ease(250.0)),
    "ItemKNN": Method({"k": 1683, "shrink": 0.0}, lambda: ItemKNN(neighbours=1683)),
}


def main() -> None:
    """Compare and write the file, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--check", action="store_true", help="without RecBole: do ours still give the file's figures?"
    )
    parser.add_argument("--file", type=Path, default=FILE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.check:
            found = json.loads(options.file.read_text(encoding="utf-8"))
        else:
            found = compared(Path(folder) / "recbole")
        dataset = dataset_cut_like(found["moved"], Path(folder))
        for name, figures in found["methods"].items():
            figures["own"] = own_figures(METHODS[name].own(), dataset)
    print(_table(found["methods"]))
    if not options.check:
        options.file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def compared(folder: Path) -> dict[str, Any]:
    """Return RecBole's figures, ours of its lists, and the users whose last two items it chose otherwise."""
    try:
        from recbole_runs import run_recbole
    except ImportError as error:
        sys.exit(f"RecBole cannot be imported ({error}); the head of this file says what it needs.")
    methods: dict[str, dict[str, Figures]] = {}
    for name, method in METHODS.items():
        run = run_recbole(name, method.recbole, KS, folder)
        methods[name] = {"recbole": run.figures, "lists": accuracy(run.lists, run.targets, KS)}
    moved = {
        user: run.last[user] for user, items in last_items(movielens(folder)).items() if run.last[user] != items
    }
    return {"recbole": "1.2.1", "users": len(run.targets), "moved": moved, "methods": methods}


def movielens(folder: Path) -> Dataset:
    """Return MovieLens-100k as genrec imports it, leave one out."""
    make_dataset(DataConfig(source="movielens"), folder / "ours", seed=0)
    return Dataset.load(folder / "ours" / "dataset")


def last_items(dataset: Dataset) -> dict[str, list[str]]:
    """Return the items of validation and test of each user."""
    parts = {part: dict(_rows(dataset, part)) for part in ("valid", "test")}
    return {user: [parts["valid"][user], parts["test"][user]] for user in dataset.user_ids}


def _rows(dataset: Dataset, part: str) -> list[tuple[str, str]]:
    table = dataset.interactions.with_columns(pl.col("user_id", "item_id", "split").cast(pl.String))
    return table.filter(pl.col("split") == part).select("user_id", "item_id").rows()


def dataset_cut_like(moved: Moved, folder: Path) -> Dataset:
    """Return MovieLens-100k with other items of validation and test for some users."""
    dataset = movielens(folder)
    last = {**last_items(dataset), **moved}
    parts = {(user, last[user][at]): part for at, part in enumerate(("valid", "test")) for user in last}
    columns = [dataset.interactions[name].cast(pl.String).to_list() for name in ("user_id", "item_id")]
    split = [parts.get(pair, "train") for pair in zip(*columns, strict=True)]
    times = dataset.interactions["timestamp"]
    table = pl.DataFrame({"user_id": columns[0], "item_id": columns[1], "timestamp": times, "split": split})
    table.write_csv(folder / "cut.csv")
    config = DataConfig(source="table", path=str(folder / "cut.csv"), split={"by": "given"})
    make_dataset(config, folder / "cut", seed=0)
    return Dataset.load(folder / "cut" / "dataset")


def own_figures(baseline: Baseline, dataset: Dataset) -> Figures:
    """Return the figures of a baseline of ours on the test part, histories of the training part."""
    examples = dataset.examples("test")
    train = [history[:-1] for history in examples.histories]  # the last one is the validation item
    lists = baseline.fit(dataset).recommend(train, max(KS), examples.histories)
    return accuracy(lists.items, examples.targets, KS)


def _table(methods: Mapping[str, Mapping[str, Figures]]) -> str:
    names = [f"{metric}@{k}" for metric in ("recall", "ndcg") for k in KS]
    lines = [f"| | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for method, figures in methods.items():
        for whose, found in figures.items():
            lines.append(f"| {method}, {whose} | {' | '.join(f'{found[name]:.6f}' for name in names)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
