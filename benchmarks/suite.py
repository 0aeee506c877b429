"""The benchmark suite: generators against all baselines on Amazon Beauty and Sports, under one protocol.

    make benchmark-small         # or: python benchmarks/suite.py --small       under an hour on two cores
    make benchmark-full          # or: python benchmarks/suite.py               a day or two on two cores
    python benchmarks/suite.py --small --table               # the page again, from the rows

Every row is an evaluation by the protocol tiger-beauty or tiger-sports: all users of the test part, all items
ranked, seen items left out. Rows, a page (``table.md``) and run folders go to ``runs/benchmark-small`` or
``runs/benchmark-full``; what is there is not made again, so a suite that was cut off goes on. ``python
benchmarks/leaderboard.py FOLDER/beauty/*-[0-9]`` adds rows to the leaderboard.

``--small`` leaves out what takes longest and trains what is left for a few epochs: its figures say that everything
runs and roughly where the quick baselines stand, and nothing about what a trained model can reach.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from experiments import Job, Row, Sections, merged, read_rows, run_jobs, table
from generators import FILES, MODELS, ROOT, job_of, log_of
from published import WARNING, published_table

from genrec_eval.baselines.tuning import first_settings
from genrec_eval.config import TRAINED, BaselineName, EvaluateConfig

FIGURES = ("recall@5", "ndcg@5", "recall@10", "ndcg@10", "coverage@10")
QUICK: tuple[BaselineName, ...] = tuple(name for name in get_args(BaselineName) if name not in TRAINED)
# What was best of a few settings of SASRec on the validation part of Beauty (docs/experiments.md), for its kind.
_TRAINED: dict[str, Any] = {
    "dropout": 0.5,
    "learning_rate": 1e-3,
    "batch_size": 128,
    "history_length": 20,
    "epochs": 60,
    "patience": 6,
}
# The settings of S3-Rec's SASRec, whose figures TIGER's paper gives.
_BCE = {
    "dropout": 0.5,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "batch_size": 256,
    "epochs": 200,
    "patience": 20,
}
SETTINGS: Sections = {name: _BCE if name == "sasrec_bce" else _TRAINED for name in TRAINED}
SMALL_MODELS, SMALL_BASELINES = ("encoder_decoder",), (*QUICK, "sasrec")
SMALL: Sections = {
    "train": {"epochs": 4, "validate_every": 4, "validation_users": 2000},
    "evaluate": {"sasrec": {"epochs": 4}},
}
REDUCED = (
    "Reduced: of the generators the encoder-decoder alone, for 4 epochs instead of 16; SASRec for 4 instead of up "
    "to 60; GRU4Rec, BERT4Rec, HSTU, SASRec with its published loss, the decoder and the lazy decoder left out; "
    "one seed. Users, items, the grids of the quick baselines and the protocol are those of the full suite. So the "
    "figures of trained models are far below what they reach; they compare with the same suite at another commit."
)


def main() -> None:
    """Make what is missing, and write the page after every row."""
    options = _options()
    rows = options.folder / "rows.json"
    if not options.table:
        for job in _jobs(options):
            run_jobs([job], rows, FIGURES)
            _write_page(options, read_rows(rows))
    print(_write_page(options, read_rows(rows)))


def _options(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="under an hour on two cores")
    parser.add_argument("--data", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--model", nargs="*", choices=MODELS, help="generators; all, or with --small one")
    parser.add_argument("--baseline", nargs="*", choices=(*QUICK, *TRAINED), help="all, or with --small the quick")
    parser.add_argument("--seeds", nargs="+", type=int, help="0 1 2, or with --small 0")
    parser.add_argument("--tries", type=int, default=1, help="settings tried of each trained baseline")
    parser.add_argument("--table", action="store_true", help="only write the page")
    parser.add_argument("--data-folder", type=Path, default=ROOT.parent / "shared" / "data" / "amazon2014")
    parser.add_argument("--folder", type=Path, help="runs/benchmark-small or runs/benchmark-full unless told")
    options = parser.parse_args(words)
    usual = {
        "model": SMALL_MODELS if options.small else MODELS,
        "baseline": SMALL_BASELINES if options.small else (*QUICK, *TRAINED),
        "seeds": (0,) if options.small else (0, 1, 2),
        "folder": Path("runs") / ("benchmark-small" if options.small else "benchmark-full"),
    }
    for name, value in usual.items():
        setattr(options, name, value if getattr(options, name) is None else getattr(options, name))
    return options


def _jobs(options: argparse.Namespace) -> Iterator[Job]:
    """Yield the quick ones first, and what has no random part for the first seed only."""
    for seed, data in itertools.product(options.seeds, options.data):
        for name in options.baseline:
            random = name in TRAINED or name in ("ials", "bpr_mf")
            if random or seed == options.seeds[0]:
                yield _baseline(options, data, name, seed)
    for seed, data, model in itertools.product(options.seeds, options.data, options.model):
        yield _generator(options, data, model, seed)


def _baseline(options: argparse.Namespace, data: str, name: BaselineName, seed: int) -> Job:
    log = log_of(options.data_folder, data)
    settings = {name: SETTINGS[name]} if name in SETTINGS else {}
    smaller = SMALL["evaluate"] if options.small and name in SMALL["evaluate"] else {}
    sections = {
        "data": {"source": "sequences", "path": str(log), "split": {"by": "leave_one_out"}},
        "evaluate": {"baselines": [name], "tries": options.tries, **_protocol(data), **merged(settings, smaller)},
    }
    return Job({"data": data, "model": name, "seed": seed}, sections, options.folder / data / f"{name}-{seed}")


def _generator(options: argparse.Namespace, data: str, model: str, seed: int) -> Job:
    whole = argparse.Namespace(**{**vars(options), "small": False, "recipe": []})
    job = job_of(whole, data, model, seed)
    smaller = {"train": SMALL["train"]} if options.small else {}
    return replace(job, sections=merged(job.sections, {"evaluate": _protocol(data)}, smaller))


def _protocol(data: str) -> Sections:
    return {"protocol": f"tiger-{data}", "examples": 0}


def _write_page(options: argparse.Namespace, rows: Sequence[Row]) -> str:
    """Write ``table.md`` into the folder and return it."""
    page = page_of(rows, options.small)
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "table.md").write_text(page, encoding="utf-8")
    return page


def page_of(rows: Sequence[Row], small: bool) -> str:
    """Return the page: a table for each dataset, best NDCG@10 first, and what papers say of it."""
    parts = [f"# Benchmark suite, {'small' if small else 'full'}", *([REDUCED] if small else [])]
    for data in (name for name in FILES if any(row["data"] == name for row in rows)):
        own = [row for row in rows if row["data"] == data]
        best = {row["model"]: row["ndcg@10"] for row in sorted(own, key=lambda row: row["ndcg@10"])}
        ordered = sorted(own, key=lambda row: -best[row["model"]])
        parts += [f"## {FILES[data]}", table(ordered, ("model",), FIGURES), WARNING, published_table(data)]
    budget = {name: len(first_settings(name, EvaluateConfig())) for name in QUICK}
    tried = ", ".join(f"{name} {count}" for name, count in budget.items())
    parts.append(f"Settings tried on the validation part: {tried}; others 1 unless `--tries` says more.")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
