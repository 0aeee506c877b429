"""``genrec report``: everything a run folder knows on one page, or several runs compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genrec.cli.common import ConfigOption, DryRunOption, JsonOption, RunOption, invoke, show
from genrec.errors import ConfigError

Words = Annotated[
    list[str] | None,
    typer.Argument(
        help="Run folders, of which several are compared; and single settings.",
        metavar="RUN|SECTION.KEY=VALUE",
    ),
]
AgainstOption = Annotated[
    str | None,
    typer.Option("--against", help="Which model the others are compared with; else the first run's generator."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder of a comparison; else 'comparison' in the first run.")
]
VerifyOption = Annotated[
    bool,
    typer.Option("--verify", help="Write nothing; check that the evaluation's figures are what its files say."),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="report")(report)


def report(
    words: Words = None,
    config: ConfigOption = None,
    run: RunOption = None,
    against: AgainstOption = None,
    out: OutOption = None,
    verify: VerifyOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write `report.html` into the run folder: one file with figures, tables and examples, to be opened or sent.

    Stages that have not run yet are named as missing; the rest is shown.

    Several runs are compared: `comparison.html` has the metrics of all their models with paired tests, curves,
    groups of users and items, and the same users' lists side by side; beside it lie the same data as JSON and CSV.
    Runs that were not measured on the same examples in the same way are refused.

    `--verify` checks an evaluation, made here or elsewhere, instead: its files by their digests, its figures by
    every user's ranks, its dataset and protocol where they are here.

    Example: `genrec report --run runs/demo`, of several `genrec report runs/one runs/two`
    """
    runs, overrides = _sort_words(words or [], run)
    several = len(runs) > 1
    _check(several, verify=verify, only_for_several={"--against": against, "--out": out})
    if several and dry_run:
        from genrec_eval.report.compared import compare_runs

        compare_runs(runs, against)
    call = invoke(config, runs[0] if runs else run, overrides, dry_run=dry_run, as_json=as_json)
    if call is None:
        return
    if several:
        from genrec_eval.report import write_comparison

        show(write_comparison(runs, out, against), call.as_json)
    elif verify:
        from genrec_eval.verify import verify_evaluation

        show(verify_evaluation(call.run), call.as_json)
    else:
        from genrec_eval.report import write_report

        show({"report": str(write_report(call.run))}, call.as_json)


def _sort_words(words: list[str], run: Path | None) -> tuple[list[Path], list[str]]:
    """Return the run folders and the overrides among the words of a call; a folder's name may have a ``=`` too."""
    runs = [word for word in words if "=" not in word or Path(word).is_dir()]
    if runs and run is not None:
        raise ConfigError(f"Runs are named twice: --run {run}, and {', '.join(runs)}.", "Leave --run out.")
    return [Path(word) for word in runs], [word for word in words if word not in runs]


def _check(several: bool, *, verify: bool, only_for_several: dict[str, object]) -> None:
    problems = [
        f"{name} is for a comparison, and one run is named."
        for name, value in only_for_several.items()
        if value is not None and not several
    ]
    if several and verify:
        problems.append("--verify checks one run, and several are named; a comparison verifies every one anyway.")
    if problems:
        raise ConfigError(problems, "See: genrec report --help")
