"""Every kind of generator on Amazon Beauty and Sports (2014, 5-core), as the TIGER line of papers measures.

    python benchmarks/generators.py --sasrec               # 2 datasets × 5 models × 3 seeds, SASRec in the same run
    python benchmarks/generators.py --data beauty --model lazy_decoder --seeds 0
    python benchmarks/generators.py --small                # a few minutes, a sample: does it work?
    python benchmarks/generators.py --table                # the table again, from the results file

Leave-one-out, full ranking over all items, items of the history left out, test part. Each row is added to the
results file as soon as it is there; rows that are there are not made again. The settings of a model come from
`alignment/recipes/DATA-MODEL.yaml`, or where there is none for the dataset from `beauty-MODEL.yaml`; `--recipe
MODEL=FILE` names another. Minutes are of training with its validations (SASRec: of fitting).
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import yaml
from experiments import Job, Sections, merged, read_rows, run_jobs, table
from published import PUBLISHED

MODELS = ("decoder", "encoder_decoder", "lazy_decoder", "item_head", "t5")  # item_head: a lazy decoder with one
FILES = {"beauty": "Beauty", "sports": "Sports"}
FIGURES = ("recall@5", "ndcg@5", "recall@10", "ndcg@10")
ROOT = Path(__file__).resolve().parents[1]
SAMPLE_USERS = 1500
SMALL: Sections = {
    "tokenize": {"encoders": {"text": {"weight": 0}, "behavior": {"weight": 1}}, "collisions": {"max_group": 2000}},
    "train": {"epochs": 1, "validate_every": 1, "validation_users": 100, "history_length": 20},
    "evaluate": {"max_users": 200},
}


def main() -> None:
    """Make what is missing and print the table."""
    options = _options()
    if not options.table:
        jobs = [
            job_of(options, data, model, seed)
            for seed, data in itertools.product(options.seeds, options.data)
            for model in (*(["sasrec"] if options.sasrec else []), *options.model)
        ]
        run_jobs(jobs, options.results, FIGURES)
    rows = read_rows(options.results)
    print(table(rows, ("data", "model"), FIGURES))
    for data in sorted({row["data"] for row in rows}):
        known = "; ".join(f"{name} {r:.4f} / {n:.4f}" for name, (_, _, r, n) in PUBLISHED[data].items())
        print(f"\nPublished for {data}, recall@10 / ndcg@10: {known}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--model", nargs="*", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--sasrec", action="store_true", help="SASRec on the same data, in the same run")
    parser.add_argument("--recipe", action="append", default=[], metavar="MODEL=FILE")
    parser.add_argument("--small", action="store_true", help="a sample of users, one epoch; rows go to the folder")
    parser.add_argument("--table", action="store_true", help="only print the table")
    parser.add_argument("--data-folder", type=Path, default=ROOT.parent / "shared" / "data" / "amazon2014")
    parser.add_argument("--folder", type=Path, default=Path("runs/generators"), help="run folders")
    parser.add_argument("--results", type=Path, help="docs/results/generators.json unless told")
    options = parser.parse_args()
    if options.small:
        options.folder = options.folder / "small"
    usual = options.folder / "rows.json" if options.small else ROOT / "docs" / "results" / "generators.json"
    options.results = options.results or usual
    return options


def log_of(folder: Path, data: str) -> Path:
    """Return the file of a dataset's sequences, or say where it comes from."""
    log = folder / f"{FILES[data]}.seq.txt"
    if not log.is_file():
        raise SystemExit(
            f"{log} is not there. Name the folder that holds it: --data-folder FOLDER. It has the sequences of "
            "S3-Rec (github.com/RUCAIBox/CIKM2020-S3Rec), a user and then items on each line, and "
            f"{FILES[data]}.items.tsv beside them (docs/data.md)."
        )
    return log


def job_of(options: argparse.Namespace, data: str, model: str, seed: int) -> Job:
    """Return the job of a generator or of SASRec; ``options`` are those of this program."""
    log = log_of(options.data_folder, data)
    if options.small:
        log = _sample(log, options.folder)
    source = {"data": {"source": "sequences", "path": str(log), "split": {"by": "leave_one_out"}}}
    measured = {"evaluate": {"split": "test", "target": "item", "examples": 0, "exclude_seen": True}}
    if model == "sasrec":
        baseline = {"evaluate": {"baselines": ["sasrec"]}}
        sections = merged(_recipe(options, data, model), source, measured, baseline)
        sections = {name: sections[name] for name in ("data", "evaluate")}
    else:
        kind = {"train": {"model": {"kind": "lazy_decoder" if model == "item_head" else model}}}
        sections = merged(_recipe(options, data, model), source, measured, kind, {"evaluate": {"baselines": []}})
    if options.small:
        small = {name: value for name, value in SMALL.items() if name in sections or model != "sasrec"}
        quick = {"evaluate": {"sasrec": {"epochs": 1}}} if model == "sasrec" else {}
        sections = merged(sections, small, quick)
    return Job({"data": data, "model": model, "seed": seed}, sections, options.folder / data / f"{model}-{seed}")


def _recipe(options: argparse.Namespace, data: str, model: str) -> Sections:
    """Return the sections of a model's recipe; none for SASRec, or in a small run, where there is no recipe."""
    named = dict(pair.split("=", 1) for pair in options.recipe)
    folder = ROOT / "alignment" / "recipes"
    usual = [folder / f"{name}-{model}.yaml" for name in (data, "beauty")]
    files = [Path(named[model])] if model in named else [file for file in usual if file.is_file()]
    if files:
        sections = yaml.safe_load(files[0].read_text(encoding="utf-8"))
        return {name: value for name, value in sections.items() if name not in ("run", "seed")}
    if options.small or model == "sasrec":
        return {}
    raise SystemExit(
        f"There is no {usual[0].relative_to(ROOT)} nor {usual[1].name}; name one: --recipe {model}=FILE"
    )


def _sample(log: Path, folder: Path) -> Path:
    """Write the first users' sequences beside a copy of the catalogue, and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    catalogue = log.with_name(log.name.replace(".seq.txt", ".items.tsv"))
    (folder / log.name).write_text("".join(lines[:SAMPLE_USERS]), encoding="utf-8")
    (folder / catalogue.name).write_bytes(catalogue.read_bytes())
    return folder / log.name


if __name__ == "__main__":
    main()
