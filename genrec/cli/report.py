"""``genrec report``: everything a run folder knows, on one page."""

from __future__ import annotations

import typer

from genrec.cli.common import ConfigOption, DryRunOption, JsonOption, Overrides, RunOption, invoke, show


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="report")(report)


def report(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write `report.html` into the run folder: one file with figures, tables and examples, to be opened or sent.

    Stages that have not run yet are named as missing; the rest is shown.

    Example: `genrec report --run runs/demo`
    """
    call = invoke(config, run, overrides, dry_run=dry_run, as_json=as_json)
    if call is None:
        return
    from genrec_eval.report import write_report

    show({"report": str(write_report(call.run))}, call.as_json)
