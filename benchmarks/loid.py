"""LoID and what each of its parts brings: ratings on MovieLens-100k, next items on Amazon Beauty.

    python benchmarks/loid.py                          # two targets × four variants, a seed
    python benchmarks/loid.py --target movielens --texts 300 --max-tokens 32
    python benchmarks/loid.py --small                  # a few minutes: does it work?
    python benchmarks/loid.py --table                  # the table again, from the results file

The source domains are Amazon Sports (key phrases of its items) and Industrial & Scientific (titles, brands,
descriptions); of none are reviews at hand, which LoID's adapters learn, so the items' texts take their place.

movielens  Ratings, 80 : 10 : 10 at random: squared error of the test part.
beauty     Next items, leave-one-out, all items ranked but those of the history.

    full              one adapter a source, DARE merge, Re-LoRA on the target, exchange, contrast
    without merge     the target's adapter starts anew, without sources
    without contrast  the weight of the contrastive losses is 0
    after exchange    the contrast is between vectors behind the attention exchange
    without vectors   no language model: ID vectors alone, through the same exchange and head

A row is added to the results file as soon as it is there, and one that is there is not made again; adapters and
vectors of finished stages are kept in the folder and shared by the variants.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from experiments import Row, add_row, merged, read_rows

from genrec.runs import Manifest
from genrec_alignment.loid.config import LoidConfig
from genrec_alignment.loid.make import make_loid

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("sports", "industrial")
TARGETS = ("movielens", "beauty")
VARIANTS: dict[str, dict[str, Any]] = {
    "full": {},
    "without contrast": {"network": {"contrast_weight": 0}},
    "after exchange": {"network": {"contrast_at": "after"}},
    "without merge": {"merge": "none", "sources": []},
    "without vectors": {"semantic": False},
}
SMALL = {"adapter": {"texts": 40, "max_tokens": 16, "held_out": 10}, "network": {"epochs": 2}}
SMALL_USERS = 200
BASELINES = ("mean", "biases", "popularity")


def main() -> None:
    """Make what is missing and print the table."""
    options = _options()
    if not options.table:
        for seed, target, variant in itertools.product(options.seeds, options.target, options.variant):
            _make(options, target, variant, seed)
    print(table(read_rows(options.results)))


def _make(options: argparse.Namespace, target: str, variant: str, seed: int) -> None:
    key = {"target": target, "variant": variant, "seed": seed}
    if any(all(row[name] == value for name, value in key.items()) for row in read_rows(options.results)):
        print(f"already there: {key}", file=sys.stderr)
        return
    print(f"making: {key}", file=sys.stderr)
    run = _dataset(options, target, options.folder / target)
    config = LoidConfig.model_validate(_settings(options, variant))
    stages = options.folder / ("stages-alone" if config.merge == "none" else "stages")
    manifest = make_loid(config, run, seed, force=False, stages=stages / str(seed))
    results = json.loads((run / "loid" / "results.json").read_text(encoding="utf-8"))
    for row in _rows(key, manifest, results, config):
        names = ("target", "variant", "seed")
        if not any(all(row[name] == old[name] for name in names) for old in read_rows(options.results)):
            add_row(options.results, row)


def _settings(options: argparse.Namespace, variant: str) -> dict[str, Any]:
    changed = VARIANTS[variant]
    sources = [str(_dataset(options, name, options.folder / name)) for name in SOURCES]
    settings = {"base": options.base, "sources": sources}
    adapter = {"texts": options.texts, "max_tokens": options.max_tokens}
    return merged(settings, {"adapter": adapter}, SMALL if options.small else {}, changed)


def _rows(key: Row, manifest: Manifest, results: dict[str, dict[str, float]], config: LoidConfig) -> list[Row]:
    """Return the row of a variant, and those of the baselines measured beside it."""
    common = {"examples": manifest.details["examples"], "cores": os.cpu_count(), "commit": manifest.git_commit}
    rounded = {name: {metric: round(value, 5) for metric, value in one.items()} for name, one in results.items()}
    own: Row = {"epochs": manifest.details["epochs"]}
    if config.semantic:
        own |= {"base": config.base, "texts": config.adapter.texts, "max_tokens": config.adapter.max_tokens}
        own["adapters"] = {
            name: {figure: round(value, 4) for figure, value in one.items()}
            for name, one in manifest.details["adapters"].items()
        }
    rows = [key | rounded["loid"] | own | common]
    return rows + [key | {"variant": name} | rounded[name] | common for name in BASELINES if name in rounded]


def _dataset(options: argparse.Namespace, name: str, run: Path) -> Path:
    """Make a domain's dataset with ``genrec data``; return its run folder."""
    run.mkdir(parents=True, exist_ok=True)
    settings = run / "settings.yaml"
    settings.write_text(yaml.safe_dump({"data": _data(options, name, run)}), encoding="utf-8")
    command = [sys.executable, "-m", "genrec", "data", "--config", str(settings), "--run", str(run)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return run


def _data(options: argparse.Namespace, name: str, run: Path) -> dict[str, Any]:
    folder = options.data_folder
    if name == "industrial":
        return {"source": "minionerec", "path": str(folder / "amazon2018_industrial")}
    if name == "movielens":
        return _random_split(run, options.small)
    log = folder / "amazon2014" / f"{name.capitalize()}.seq.txt"
    if options.users or options.small:
        few = run / log.name
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        few.write_text("".join(lines[: SMALL_USERS if options.small else options.users]), encoding="utf-8")
        return {"source": "sequences", "path": str(few), "items": str(log).replace(".seq.txt", ".items.tsv")}
    return {"source": "sequences", "path": str(log)}


def _random_split(run: Path, small: bool) -> dict[str, Any]:
    """Write MovieLens-100k as tables with a column that divides it at random; return the settings that read it."""
    whole = run / "whole"
    command = [sys.executable, "-m", "genrec", "data", "--run", str(whole)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    log = pl.read_parquet(whole / "dataset" / "interactions.parquet").drop("split")
    if small:
        log = log.filter(
            pl.col("user_id").is_in(log["user_id"].unique(maintain_order=True)[:SMALL_USERS].to_list())
        )
    parts = np.random.default_rng(0).choice(["train", "valid", "test"], size=len(log), p=[0.8, 0.1, 0.1])
    log.with_columns(split=pl.Series(parts)).write_csv(run / "ratings.csv")
    pl.read_parquet(whole / "dataset" / "items.parquet").write_csv(run / "movies.csv")
    return {
        "source": "table", "path": str(run / "ratings.csv"), "items": str(run / "movies.csv"), "time_format": "ms",
        "columns": {name: name for name in ("user_id", "item_id", "timestamp", "value", "split")},
        "item_columns": {"item_id": "item_id", "title": "title", "text": ["genres"]},
        "split": {"by": "given"},
    }  # fmt: skip


def table(rows: list[Row]) -> str:
    """Return Markdown: one table a target, with the means over the seeds."""
    parts = []
    for target in dict.fromkeys(row["target"] for row in rows):
        own = [row for row in rows if row["target"] == target]
        names = ("mse", "mae") if "mse" in own[0] else ("recall@5", "ndcg@5", "recall@10", "ndcg@10")
        lines = [[target, *names, "seeds"], ["---"] * (len(names) + 2)]
        for variant in dict.fromkeys(row["variant"] for row in own):
            some = [row for row in own if row["variant"] == variant]
            means = [f"{sum(row[name] for row in some) / len(some):.4f}" for name in names]
            lines.append([variant, *means, str(len(some))])
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--variant", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--base", default="smollm2", help="the language model, as loid.base")
    parser.add_argument("--texts", type=int, default=2000, help="texts that an adapter learns, at most")
    parser.add_argument("--max-tokens", type=int, default=64, help="tokens of a text, at most")
    parser.add_argument("--users", type=int, help="Beauty and Sports: only so many users, the first ones")
    parser.add_argument("--small", action="store_true", help="few texts, users and epochs; rows go to the folder")
    parser.add_argument("--table", action="store_true", help="only print the table")
    parser.add_argument("--data-folder", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--folder", type=Path, default=Path("runs/loid"), help="run folders")
    parser.add_argument("--results", type=Path, help="docs/results/loid.json unless told")
    options = parser.parse_args()
    if options.small:
        options.folder = options.folder / "small"
    usual = options.folder / "rows.json" if options.small else ROOT / "docs" / "results" / "loid.json"
    options.results = options.results or usual
    return options


if __name__ == "__main__":
    main()
