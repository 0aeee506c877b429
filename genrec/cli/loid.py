"""``genrec loid``: language knowledge of other domains, aligned with a domain's IDs."""

from __future__ import annotations

import typer

from genrec.cli.common import (
    ConfigOption,
    DryRunOption,
    ForceOption,
    JsonOption,
    Overrides,
    RunOption,
    invoke,
    show,
)


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="loid")(loid)


def loid(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train LoID on the run's dataset and on the texts of other runs' datasets, and write the run's folder `loid`.

    What was finished before an interruption is not made again.

    Example: `genrec loid --run runs/ml "loid.sources=[runs/sports, runs/beauty]"`
    """
    call = invoke(config, run, overrides, dry_run=dry_run, force=force, as_json=as_json)
    if call is None:
        return
    from genrec_alignment.loid.config import LoidConfig
    from genrec_alignment.loid.make import make_loid

    section = call.settings.section("loid", LoidConfig)
    manifest = make_loid(section, call.run, call.settings.seed, force=call.force)
    show({"loid": str(call.run / "loid"), **manifest.details}, call.as_json)
