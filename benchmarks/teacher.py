"""What a language model as a teacher brings to a small student, which serves without it (LSVCR's idea).

    python benchmarks/teacher.py                           # MovieLens-100k: no teacher, minilm, smollm2; 3 seeds
    python benchmarks/teacher.py --teacher none minilm --seeds 0 --epochs 6
    python benchmarks/teacher.py --table                   # the table again, from the results file

The student is a lazy decoder of .4 M parameters; data and semantic IDs are those of genrec/recipes/demo.yaml. All
rows have the same data, semantic IDs, seeds and epochs (an epoch of alignment alone is one of them), so a teacher
gets no more of anything but its own forward passes. Leave-one-out, full ranking, seen items left out, test part.
Rows that are there are not made again.

    none          without a teacher
    minilm        all-MiniLM-L6-v2, one epoch of alignment alone, then alignment beside recommendation
    minilm stage  the same, but after that epoch recommendation alone: the paper's two stages
    smollm2       SmolLM2-135M-Instruct in place of MiniLM: the larger share of the time is its reading
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import yaml
from experiments import Job, Sections, merged, read_rows, run_jobs, table

FIGURES = ("recall@5", "ndcg@5", "recall@10", "ndcg@10")
ROOT = Path(__file__).resolve().parents[1]
STUDENT: dict[str, Any] = {
    "kind": "lazy_decoder",
    "layers": 1,
    "context_layers": 2,
    "softmax": "catalogue",
    "tie_embeddings": False,
}
MINILM: dict[str, Any] = {"kind": "sentence", "model": "minilm"}
TEACHERS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "minilm": MINILM,
    "minilm stage": MINILM | {"weight": 0.0},
    "smollm2": {"kind": "language", "model": "smollm2"},
}


def main() -> None:
    """Make what is missing and print the table."""
    options = _options()
    if not options.table:
        jobs = [_job(options, name, seed) for seed, name in itertools.product(options.seeds, options.teacher)]
        run_jobs(jobs, options.results, FIGURES)
    print(table(read_rows(options.results), ("data", "teacher", "epochs_at_most"), FIGURES))


def _job(options: argparse.Namespace, name: str, seed: int) -> Job:
    recipe: Sections = yaml.safe_load((ROOT / "genrec" / "recipes" / "demo.yaml").read_text(encoding="utf-8"))
    sections = {key: value for key, value in recipe.items() if key not in ("run", "seed")}
    teacher = TEACHERS[name]
    train: dict[str, Any] = {"model": STUDENT, "epochs": options.epochs, "validate_every": min(2, options.epochs)}
    if teacher is not None:
        train["teacher"] = {"items": options.items, "weight": options.weight} | teacher
    measured = {"split": "test", "target": "item", "examples": 0, "exclude_seen": True, "baselines": []}
    sections = merged(sections, {"train": train, "evaluate": measured})
    run = options.folder / f"{name.replace(' ', '-')}-{options.epochs}-{seed}"
    return Job(
        {"data": "movielens-100k", "teacher": name, "seed": seed, "epochs_at_most": options.epochs}, sections, run
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", nargs="+", choices=TEACHERS, default=list(TEACHERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=32)
    parser.add_argument("--items", type=int, default=10, help="items of a history that the teacher reads")
    parser.add_argument("--weight", type=float, default=0.5, help="of the alignment beside recommendation")
    parser.add_argument("--table", action="store_true", help="only print the table")
    parser.add_argument("--folder", type=Path, default=Path("runs/teacher"), help="run folders")
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results" / "teacher.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
