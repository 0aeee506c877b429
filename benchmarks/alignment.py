"""Ways to align a generator, on one run: what each does to both rewards, to recall and NDCG, and how long it takes.

    python benchmarks/alignment.py --run runs/films                        # every method, three rounds, one seed
    python benchmarks/alignment.py --run runs/films --methods ipa --rounds 1
    python benchmarks/alignment.py --table                                 # the tables again, from the results file
    python benchmarks/alignment.py --run runs/films --json                 # one JSON object on the last line

The run needs a dataset, a generator and reward models, as alignment/recipes/align-movielens.yaml says; it is only
read. `best of N` serves the best of a user's beams by the reward model: what a reward can bring without training.

ipa           the best against the worst of the policy's own beams, in every round anew (OneRec)
ipa, hits     the same, and an item that was really chosen next is worth 1 more
dpo, offline  the pairs of the first policy's beams in every round, and that policy as the reference
s-dpo         the best against the four worst, on-policy
next tokens   no preference rows: what going on with the training would have done

A method that is cut off goes on where it was; rows that are in the results file are not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from genrec_alignment.align.config import AlignConfig
from genrec_alignment.align.make import RESULTS_FILE, make_alignment

ROOT = Path(__file__).resolve().parents[1]
METHODS: dict[str, dict[str, Any]] = {
    "ipa": {},
    "ipa, hits": {"rewards": {"model": 1.0, "hit": 1.0}},
    "dpo, offline": {"pairs": {"source": "fixed"}},
    "s-dpo": {"loss": "softmax_dpo", "pairs": {"losers": 4}},
    "next tokens": {"dpo_share": 0.0},
}
BASE: dict[str, Any] = {"learning_rate": 3e-5}
SHOWN = ("model_mean", "model_max", "judge_mean", "judge_max", "recall", "ndcg", "kl", "diversity", "coverage")
Row = dict[str, Any]


def main() -> None:
    """Make what is missing and print a table for each seed."""
    options = _options()
    rows = read(options.results)
    if not options.table:
        for seed in options.seeds:
            for method in options.methods:
                if not any(row["method"] == method and row["seed"] == seed for row in rows):
                    rows += measured(options, method, seed)
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
    about = {"method": method, "seed": seed, "cores": os.cpu_count(), "commit": commit(), "seconds_of_all": seconds}
    return [about | row_of(report) for report in reports]


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
    titles = ["method", "round", *(name.replace("_", " ") for name in SHOWN), "pairs", "seconds", "kept"]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    seen: set[int] = set()
    for row in rows:
        if row["round"] == 0:
            if row["seed"] not in seen:
                lines += [_line("before", row, row), _line("best of N", row, ceiling(row))]
            seen.add(row["seed"])
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
    return "| " + " | ".join([title, str(about["round"]) if trained else "", *cells, *rest]) + " |"


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
