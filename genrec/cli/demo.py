"""``genrec demo``: the whole path on MovieLens-100k, from the raw log to a report."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from genrec.cli.common import (
    ConfigOption,
    DryRunOption,
    ForceOption,
    Invocation,
    JsonOption,
    Overrides,
    RunOption,
    invoke,
)
from genrec.console import console

if TYPE_CHECKING:
    from genrec.runs import Manifest

SUMMARY = "summary.json"
_USERS_SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="demo")(demo)


def demo(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run everything on real data: import, semantic IDs, training, evaluation against baselines, report.

    Takes a few minutes on two CPU cores. Finished stages are used again; an interrupted training goes on
    from its last checkpoint.

    Example: `genrec demo --run runs/demo`
    """
    recipe = Path(str(resources.files("genrec") / "recipes" / "demo.yaml"))
    call = invoke(config or recipe, run, overrides, dry_run=dry_run, resume=True, force=force, as_json=as_json)
    if call is None:
        return
    summary = _run_stages(call)
    report, _ = _timed("5/5  Report", lambda: _report(call.run))
    (call.run / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print(json.dumps(summary | {"report": str(report)}))
        return
    _show(call.run, summary, report)


def _run_stages(call: Invocation) -> dict[str, Any]:
    """Make every artefact that is not current; return the figures of ``summary.json``."""
    seconds: dict[str, float] = _earlier_seconds(call.run)
    for number, (name, title, make) in enumerate(_stages(call), start=1):
        artifact = call.run / name / "manifest.json"
        before = artifact.stat().st_mtime_ns if artifact.exists() else None
        manifest, spent = _timed(f"{number}/5  {title}", make)
        console.print(f"{_found(name, manifest.details)}[dim]{spent:.1f} s[/]")
        if artifact.stat().st_mtime_ns != before or name not in seconds:
            seconds[name] = round(spent, 1)
    results = json.loads((call.run / "evaluation" / "results.json").read_text(encoding="utf-8"))
    return {
        "seconds": round(sum(seconds.values()), 1),
        "metrics": results["metrics"],
        "invalid_share": results["invalid_share"],
        "users": results["users"],
        "stages": seconds,
        "cores": os.cpu_count(),
    }


def _stages(call: Invocation) -> list[tuple[str, str, Callable[[], Manifest]]]:
    """Return the folder, the title and the work of every stage."""
    from genrec.data.config import DataConfig
    from genrec.data.make import make_dataset
    from genrec_alignment.pretraining.config import TrainConfig
    from genrec_alignment.pretraining.make import make_generator
    from genrec_eval.config import EvaluateConfig
    from genrec_eval.make import make_evaluation
    from genrec_tokenizers.config import TokenizeConfig
    from genrec_tokenizers.make import make_semantic_ids

    run, seed, force, section = call.run, call.settings.seed, call.force, call.settings.section
    data, tokenize = section("data", DataConfig), section("tokenize", TokenizeConfig)
    train, evaluate = section("train", TrainConfig), section("evaluate", EvaluateConfig)
    return [
        ("dataset", "Data: import, check, split", lambda: make_dataset(data, run, seed, force=force)),
        (
            "semantic_ids",
            "Semantic IDs: encode, quantize",
            lambda: make_semantic_ids(tokenize, run, seed, force=force),
        ),
        ("generator", "Training", lambda: make_generator(train, run, seed, resume=call.resume, force=force)),
        ("evaluation", "Evaluation against baselines", lambda: make_evaluation(evaluate, run, seed, force=force)),
    ]


def _report(run: Path) -> Path:
    from genrec_eval.report import write_report

    return write_report(run)


def _timed(title: str, work: Callable[[], Any]) -> tuple[Any, float]:
    console.rule(f"[bold]{title}", align="left")
    started = time.monotonic()
    result = work()
    return result, time.monotonic() - started


def _found(name: str, details: dict[str, Any]) -> str:
    """Return what a stage's manifest tells a newcomer, in half a line."""
    if name == "dataset":
        counts = details["counts"]
        return f"{counts['users']:,} users, {counts['items']:,} items, {counts['interactions']:,} interactions; "
    if name == "semantic_ids":
        sizes = " + ".join(str(level["codes"]) for level in details["levels"])
        extra = f" + {details['appended_codes']} to tell equals apart" if details["appended_level"] else ""
        return f"{sizes}{extra} codes, one ID for each of {details['items']:,} items; "
    if name == "generator":
        metric, best = next(item for item in details.items() if item[0].startswith("best_validation_"))
        name = metric.removeprefix("best_validation_").replace("_", " ").replace("ndcg", "NDCG")
        return f"{details['parameters']:,} parameters, best validation {name} {best:.4f}; "
    return ""


def _earlier_seconds(run: Path) -> dict[str, float]:
    """Return how long the stages took when they were made, from an earlier call's summary."""
    try:
        return dict(json.loads((run / SUMMARY).read_text(encoding="utf-8"))["stages"])
    except (OSError, ValueError, KeyError):
        return {}


def _show(run: Path, summary: dict[str, Any], report: Path) -> None:
    from genrec.data import Dataset
    from genrec.decoding import Recommender

    console.rule("[bold]Result", align="left")
    dataset = Dataset.load(run / "dataset")
    print(f"\n{summary['users']} test users; full ranking over {len(dataset.items)} items, seen ones excluded\n")
    print(f"{'':<18}{'Recall@10':>10}{'NDCG@10':>10}")
    rows = sorted(summary["metrics"].items(), key=lambda row: -row[1]["ndcg@10"])
    for name, figures in rows:
        print(f"{name:<18}{figures['recall@10']:>10.4f}{figures['ndcg@10']:>10.4f}")
    print(f"\nWhat the generator recommends to the first {_USERS_SHOWN} users of the log:\n")
    recommender = Recommender.from_pretrained(run / "generator")
    users = dataset.user_ids[:_USERS_SHOWN]
    histories = [dataset.history(user) for user in users]
    ranking = recommender.recommend(histories, k=3, exclude=histories)
    titles = recommender.catalogue.titles
    for user, history, found in zip(users, histories, ranking.items, strict=True):
        print(f"  user {user:>4}  after  {'; '.join(titles[item] for item in history[-3:])}")
        print(f"             comes  {'; '.join(titles[item] for item in found if item >= 0)}")
    print(f"\nMade in {summary['seconds']:.0f} s. The report, to be opened in a browser: {report}\n")
    print("Next:")
    print(f"  genrec recommend --run {run} --user {users[0]}")
    print(
        f"  genrec recommend --run {run} --history {','.join(dataset.item_ids[item] for item in histories[0][:3])}"
    )
    print("  genrec init PATH        for files of your own")
