"""Session-wise against point-wise: one model of OneRec's shape, trained on sessions or on single items.

    python benchmarks/sessionwise.py            # MovieLens (sessions by gap) and KuaiSAR-R (requests), 3 seeds
    python benchmarks/sessionwise.py --small    # a few minutes, one epoch: does it work?
    python benchmarks/sessionwise.py --table    # the table again, from the results file

Every user's last session is test, the one before it validation. Each list is compared with all items of a session:

point-wise                the model trained on single items; its list is the best items of one search
session-wise              the same model trained on sessions; its list is one session, generated as a whole
session-wise, best items  the model trained on sessions, asked for its best items as the first one is
sasrec, popularity        baselines on the same sessions

A session of KuaiSAR is what a user clicked of one request: 1.2 items in the mean; `kuaisar-gap` joins a user's
clicks less than half an hour apart, 4.4 in the mean. Rows are added to the results file as they come; those that
are there are not made again.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

from experiments import Job, Sections, merged, read_rows, run_jobs, table

ROOT = Path(__file__).resolve().parents[1]
CLICKS: Sections = {"source": "kuaisar", "path": "kuaisar", "filters": {"behaviors": ["click"]}}
DATA: dict[str, Sections] = {
    "movielens": {"source": "movielens", "path": "movielens_latest_small", "sessions": {"by": "gap"}},
    "kuaisar": {**CLICKS, "sessions": {"by": "request"}},
    "kuaisar-gap": {**CLICKS, "sessions": {"by": "gap"}},
}
LENGTH = {"movielens": 5, "kuaisar": 3, "kuaisar-gap": 5}
MODELS = ("point-wise", "session-wise", "session-wise, best items", "sasrec", "popularity")
FIGURES = ("recall", "ndcg", "hit", "diversity", "coverage", "repeats")
# Half of KuaiSAR's videos have nothing but their categories, which many of them share.
# Two levels: fewer, larger ones were worth most on Beauty (docs/experiments.md).
TOKENIZE: Sections = {"collisions": {"max_group": 10_000}, "quantizer": {"levels": 2, "codebook_size": 256}}
TRAIN: Sections = {
    # Causal, so that a model learns all positions of a history at once where its targets are single items.
    "model": {
        "kind": "encoder_decoder",
        "hidden_size": 64,
        "intermediate_size": 256,
        "heads": 2,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "causal_encoder": True,
        "softmax": "catalogue",
    },
    "history_length": 50,
    "dropout": 0.2,
    "batch_size": 64,
    "learning_rate": 2.0e-3,
}
POINT: Sections = {"target": "item", "epochs": 150, "validate_every": 5}
SESSION: Sections = {"target": "session", "epochs": 60, "validate_every": 2}


def main() -> None:
    """Make what is missing and print a table for each dataset."""
    options = _options()
    if not options.table:
        for data in options.data:
            wanted = itertools.product(options.seeds, options.model)
            jobs = [_job(options, data, model, seed) for seed, model in wanted]
            run_jobs(jobs, options.results, _figures(data))
    rows = read_rows(options.results)
    for data in DATA:
        own = [row for row in rows if row["data"] == data]
        if own:
            print(f"{data}: {own[0]['examples']} test sessions, lists of {LENGTH[data]} items\n")
            print(table(own, ("model",), _figures(data)) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=["movielens", "kuaisar"])
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--small", action="store_true", help="no text, one epoch, 100 users; rows go to the folder")
    parser.add_argument("--table", action="store_true", help="only print the tables")
    parser.add_argument("--data-folder", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--folder", type=Path, default=Path("runs/sessionwise"), help="run folders")
    parser.add_argument("--results", type=Path, help="docs/results/sessionwise.json unless told")
    options = parser.parse_args()
    if options.small:
        options.folder = options.folder / "small"
    usual = options.folder / "rows.json" if options.small else ROOT / "docs" / "results" / "sessionwise.json"
    options.results = options.results or usual
    return options


def _figures(data: str) -> list[str]:
    return [f"{name}@{LENGTH[data]}" for name in FIGURES]


def _job(options: argparse.Namespace, data: str, model: str, seed: int) -> Job:
    length = LENGTH[data]
    source = {**DATA[data], "path": str(options.data_folder / DATA[data]["path"])}
    sections: Sections = {
        "data": {**source, "split": {"by": "leave_one_session_out"}},
        "tokenize": TOKENIZE,  # for baselines too: diversity is measured by the semantic IDs
        "evaluate": {"target": "session", "session_length": length, "examples": 0, "baselines": []},
    }
    if model in ("sasrec", "popularity"):
        sections = merged(sections, {"evaluate": {"baselines": [model]}})
    elif model == "point-wise":
        sections = merged(sections, {"train": merged(TRAIN, POINT), "evaluate": {"generate": "list"}})
    else:
        way = "list" if model.endswith("best items") else "session"
        # Every session counts, however short: that is what is asked for in the test.
        sessions = {"session": {"length": length, "min_items": 1}}
        sections = merged(sections, {"train": merged(TRAIN, SESSION, sessions), "evaluate": {"generate": way}})
    if options.small:
        sections = _quick(sections)
    # Both ways to ask one model share its run folder, and so its training.
    run = options.folder / data / f"{model.partition(',')[0]}-{seed}"
    return Job({"data": data, "model": model, "seed": seed}, sections, run)


def _quick(sections: Sections) -> Sections:
    quick: Sections = {
        "tokenize": {"encoders": {"text": {"weight": 0}}},
        "train": {"epochs": 1, "validate_every": 1, "validation_users": 50},
        "evaluate": {"max_users": 100, "sasrec": {"epochs": 1}},
    }
    return merged(sections, {name: value for name, value in quick.items() if name in sections})


if __name__ == "__main__":
    main()
