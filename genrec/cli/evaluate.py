"""``genrec evaluate``: the generator and the baselines, measured on the same examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from genrec.cli.common import (
    ConfigOption,
    DryRunOption,
    ForceOption,
    JsonOption,
    Overrides,
    ResumeOption,
    RunOption,
    invoke,
)

_SHOWN = ("recall", "ndcg", "mrr", "hit", "diversity", "coverage", "repeats", "seen")


ProtocolOption = Annotated[
    str | None,
    typer.Option("--protocol", help="Measure as this protocol says, such as tiger-beauty, or a file of your own."),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="evaluate")(evaluate)


def evaluate(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    protocol: ProtocolOption = None,
    dry_run: DryRunOption = False,
    resume: ResumeOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the run's generator and the baselines, ranking every item for every user.

    `evaluate.target=session` compares each list with all items of the user's next session.

    `--protocol NAME` fixes what is measured and refuses a run whose dataset, split or filters are others; an
    unknown name is answered with those there are.

    Without a generator the baselines are measured alone, so a dataset can be judged before anything is
    trained. An evaluation is made whole or not at all: `--resume` measures anew.

    Example: `genrec evaluate --run runs/demo evaluate.ks=[10,50]`
    """
    overrides = [*(overrides or ()), *([f"evaluate.protocol={protocol}"] if protocol else [])]
    call = invoke(config, run, overrides, dry_run=dry_run, resume=resume, force=force, as_json=as_json)
    if call is None:
        return
    from genrec_eval.config import EvaluateConfig
    from genrec_eval.make import ARTIFACT, make_evaluation
    from genrec_eval.results import RESULTS_FILE

    section = call.settings.section("evaluate", EvaluateConfig)
    make_evaluation(section, call.run, call.settings.seed, force=call.force)
    folder = call.run / ARTIFACT
    results = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))
    print(json.dumps({"path": str(folder), **results}) if call.as_json else _table(results, folder))


def _table(results: dict[str, Any], folder: Path) -> str:
    """Return the models by NDCG, best first, at one cut-off: 10 or the next one there is, else the largest."""
    from genrec_eval.comparisons import clear_winner, leading_cut_off

    metrics: dict[str, dict[str, float]] = results["metrics"]
    k = leading_cut_off(name for figures in metrics.values() for name in figures)
    known = next(iter(metrics.values()), {})
    names = [name for metric in _SHOWN if (name := f"{metric}@{k}") in known]
    seen = "seen items excluded" if results["exclude_seen"] else "seen items allowed"
    protocol = f", protocol {results['protocol']['name']}" if results["protocol"] else ""
    width = max((len(model) for model in metrics), default=0)
    lines = [
        f"{results['examples']} {_targets(results)} of the split {results['split']}, "
        f"{results['items']} items ranked, {seen}{protocol}",
        "",
        " ".join([" " * width, *(f"{name:>10} " for name in names)]),
    ]
    winners = {name: clear_winner(results["comparisons"].get(name)) for name in names}
    for model, figures in sorted(metrics.items(), key=lambda row: -row[1][f"ndcg@{k}"]):
        cells = (f"{figures[name]:>10.4f}{'*' if winners[name] == model else ' '}" for name in names)
        lines.append(" ".join([f"{model:<{width}}", *cells]).rstrip())
    if any(winners.values()):
        lines += [
            "",
            "* better than every other: paired randomisation over examples, p < .05 after Holm's correction",
        ]
    if results["invalid_share"] is not None:
        lines += ["", f"Generated sequences that are no item: {results['invalid_share']:.2%}"]
    return "\n".join([*lines, "", f"Every cut-off, and each user's ranks: {folder}"])


def _targets(results: dict[str, Any]) -> str:
    """Return what the examples are; for sessions, also what they are compared with."""
    if results["target"] == "item":
        return "examples"
    lists = f"lists of {results['session_length']} items"
    whole = ", the generator's generated as a whole" if results["generate"] == "session" else ""
    return f"sessions ({lists}{whole})"
