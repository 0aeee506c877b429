"""Ways to align a generator, on one run: what each does to both rewards, to recall and NDCG, and how long it takes.

    python benchmarks/alignment.py --run runs/films                        # every method, three rounds, one seed
    python benchmarks/alignment.py --run runs/films --seeds 1 2
    python benchmarks/alignment.py --run runs/films --methods ipa --rounds 1
    python benchmarks/alignment.py --table                                 # the tables again, from the results file
    python benchmarks/alignment.py --run runs/films --json                 # one JSON object on the last line

The run needs a dataset, a generator and reward models, as alignment/recipes/align-movielens.yaml says; it is only
read. `best of N` serves the best of a user's beams by the reward model: what a reward can bring without training.

ipa           the best against the worst of the policy's own beams, in every round anew (OneRec)
ipa, hits     the same, and an item that was really chosen next is worth 1 more
dpo, offline  the pairs of the first policy's beams in every round, and that policy as the reference
s-dpo         the best against the four worst, on-policy
grpo          ECPO on groups of 16 of the policy's own beams, next tokens beside it (docs/grpo.md)
ipa, sessions the best generated session of five items against the worst; figures are of sessions
next tokens   no preference rows: what going on with the training would have done
r_dpo 1 %     ipa with another share of rows that bring a preference row; ipa itself has 20 %, `next tokens` none
r_dpo 5 %

The policy that each method kept is measured on the test part too, beside the one it began with; ``±`` is the
standard error of the paired differences. What was cut off goes on where it was; rows of the results file are not
made again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import polars as pl

from genrec.runs import open_artifact
from genrec_alignment.align.config import AlignConfig
from genrec_alignment.align.make import RESULTS_FILE, make_alignment
from genrec_eval.config import EvaluateConfig
from genrec_eval.make import ARTIFACT, make_evaluation
from genrec_eval.results import RANKS_FILE
from genrec_eval.statistics.gains import gains

ROOT = Path(__file__).resolve().parents[1]
GRPO = {"loss": "ecpo", "learning_rate": 6e-6, "steps": 60, "max_grad_norm": 1.0, "next_token_rows": 32}
METHODS: dict[str, dict[str, Any]] = {
    "ipa": {},
    "ipa, hits": {"rewards": {"model": 1.0, "hit": 1.0}},
    "dpo, offline": {"pairs": {"source": "fixed"}},
    "s-dpo": {"loss": "softmax_dpo", "pairs": {"losers": 4}},
    "ipa, sessions": {"session_length": 5},
    "grpo": {"optimiser": "grpo", "grpo": GRPO},
    "next tokens": {"dpo_share": 0.0},
    "r_dpo 1 %": {"dpo_share": 0.01},
    "r_dpo 5 %": {"dpo_share": 0.05},
}
BASE: dict[str, Any] = {"learning_rate": 3e-5}
SHOWN = ("model_mean", "model_max", "judge_mean", "judge_max", "recall", "ndcg", "kl", "diversity", "coverage")
Row = dict[str, Any]
Ranks = pl.Series


def main() -> None:
    """Make what is missing and print a table for each seed."""
    options = _options()
    rows = read(options.results)
    if not options.table:
        data = options.name or open_artifact(options.run / "dataset", "dataset").config["source"]
        for seed, method in itertools.product(options.seeds, options.methods):
            key = {"data": data, "method": method, "seed": seed}
            if not any(key.items() <= row.items() for row in rows):
                rows += [key | row for row in measured(options, method, seed)]
                write(options.results, rows)
    if options.json:
        print(json.dumps({"rows": rows}))
    else:
        print(table(rows))


def measured(options: argparse.Namespace, method: str, seed: int) -> list[Row]:
    """Return one row for the first policy, for the ceiling and for every round of a method."""
    config = AlignConfig.model_validate(BASE | METHODS[method] | {"rounds": options.rounds})
    run = options.work / f"{method.replace(', ', '-').replace(' ', '-')}-{seed}"
    run.mkdir(parents=True, exist_ok=True)
    for kind in ("dataset", "semantic_ids", "generator", "reward"):
        if not (run / kind).exists():
            (run / kind).symlink_to((options.run / kind).resolve())
    started = time.monotonic()
    make_alignment(config, run, seed, resume=True)
    seconds = round(time.monotonic() - started, 1)
    reports = json.loads((run / "align" / RESULTS_FILE).read_text(encoding="utf-8"))["rounds"]
    tests = {0: tested(run, run / "generator")}
    kept = [report["round"] for report in reports if report["round"] and report["accepted"]]
    if kept:
        tests[kept[-1]] = tested(run, run / "align" / "generator")
    about = {"cores": os.cpu_count(), "commit": commit(), "seconds_of_all": seconds}
    rows: list[Row] = [about | row_of(report) for report in reports]
    return [row | figures_of_test(tests, int(row["round"])) for row in rows]


def tested(run: Path, generator: Path) -> Ranks:
    """Return the ranks of the test part's targets in a generator's lists."""
    folder = run / "test" / generator.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    for path in (run / "dataset", run / "semantic_ids", generator):
        if not (folder / path.name).exists():
            (folder / path.name).symlink_to(path.resolve())
    make_evaluation(EvaluateConfig(baselines=(), examples=0), folder, 0)
    return pl.read_parquet(folder / ARTIFACT / RANKS_FILE)["generator"]


def figures_of_test(tests: dict[int, Ranks], at: int) -> Row:
    """Return the figures on the test part of a round's policy, if it was measured, with the change of NDCG@10."""
    if at not in tests:
        return {}
    gained = {name: gains(tests[at], name, 10) for name in ("recall", "ndcg")}
    row = {f"test_{name}": round(float(values.mean()), 5) for name, values in gained.items()}
    if at:
        changes = gained["ndcg"] - gains(tests[0], "ndcg", 10)
        row["test_change"] = round(float(changes.mean()), 5)
        row["test_change_error"] = round(float(changes.std(ddof=1) / math.sqrt(len(changes))), 5)
    return row


def row_of(report: dict[str, Any]) -> Row:
    """Return what a table needs of a round."""
    training = report["training"]
    kept = {
        name: training[name]
        for name in ("requests", "pairs", "skipped", "steps", "learning_rate")
        if name in training
    }
    verdict = {name: report[name] for name in ("round", "accepted", "reasons", "gains", "seconds")}
    return verdict | kept | report["figures"]


def table(rows: list[Row]) -> str:
    """Return Markdown: the first policy and its ceiling once, then every round of every method, seed by seed."""
    figures = [name.replace("_", " ") for name in SHOWN]
    titles = ["data", "seed", "method", "round", *figures, "pairs", "seconds", "kept", "test", "change"]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    seen: set[tuple[str, int]] = set()
    for row in rows:
        if row["round"] == 0:
            of = (row["data"], row["seed"])
            if of not in seen:
                lines += [_line("before", row, row), _line("best of N", row, ceiling(row))]
            seen.add(of)
            continue
        lines.append(_line(row["method"], row, row))
    return "\n".join(lines)


def ceiling(row: Row) -> Row:
    """Return the figures of the best beams by the reward model."""
    names = {"model_mean": "best_model", "judge_mean": "best_judge", "recall": "best_recall", "ndcg": "best_ndcg"}
    return {name: row[best] for name, best in names.items()}


def _line(title: str, about: Row, figures: Row) -> str:
    cells = [f"{figures[name]:.4f}" if name in figures else "" for name in SHOWN]
    trained = about["round"] > 0
    kept = ("yes" if about["accepted"] else "no") if trained else ""
    rest = [str(about.get("pairs", "")), f"{about['seconds']:.0f}" if trained else "", kept]
    named = [about["data"], str(about["seed"]), title, str(about["round"]) if trained else ""]
    test = f"{figures['test_recall']:.4f} / {figures['test_ndcg']:.4f}" if "test_ndcg" in figures else ""
    change = f"{about['test_change']:+.4f} ± {about['test_change_error']:.4f}" if "test_change" in about else ""
    return "| " + " | ".join([*named, *cells, *rest, test, change]) + " |"


def read(file: Path) -> list[Row]:
    """Return the rows of a results file; none where there is no file."""
    rows: list[Row] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return rows


def write(file: Path, rows: list[Row]) -> None:
    """Write a results file, one row a line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[" + ",\n ".join(json.dumps(row) for row in rows) + "]\n", encoding="utf-8")


def commit() -> str:
    """Return the commit of the tree, ``…-dirty`` where it was changed since."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/films"), help="run folder, only read")
    parser.add_argument("--name", help="of the rows' data; the dataset's source unless told")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/alignment"), help="where the alignments go")
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results" / "alignment.json")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    return parser.parse_args()


if __name__ == "__main__":
    main()
