"""``genrec report``: everything a run folder knows, on one page."""

from __future__ import annotations

from typing import Annotated

import typer

from genrec.cli.common import ConfigOption, DryRunOption, JsonOption, Overrides, RunOption, invoke, show

VerifyOption = Annotated[
    bool,
    typer.Option("--verify", help="Write nothing; check that the evaluation's figures are what its files say."),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="report")(report)


def report(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    verify: VerifyOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write `report.html` into the run folder: one file with figures, tables and examples, to be opened or sent.

    Stages that have not run yet are named as missing; the rest is shown.

    `--verify` checks an evaluation, made here or elsewhere, instead: its files by their digests, its figures by
    every user's ranks, its dataset and protocol where they are here.

    Example: `genrec report --run runs/demo`
    """
    call = invoke(config, run, overrides, dry_run=dry_run, as_json=as_json)
    if call is None:
        return
    if verify:
        from genrec_eval.verify import verify_evaluation

        show(verify_evaluation(call.run), call.as_json)
        return
    from genrec_eval.report import write_report

    show({"report": str(write_report(call.run))}, call.as_json)
