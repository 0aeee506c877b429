"""``genrec think``: what reasoning needs before it is trained, and before it serves."""

from __future__ import annotations

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
    show,
)

think = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


def register(app: typer.Typer) -> None:
    """Add the verb, with its two actions, to the command line."""
    app.add_typer(think, name="think")


@think.callback()
def _root() -> None:
    """Rationales to learn to think from, and thoughts written ahead of the requests.

    Example: `genrec think rationales --run runs/demo`
    """


@think.command()
def rationales(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
    resume: ResumeOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write why the items of the training part were chosen, once, into the run's folder `rationales`.

    A rationale names the items of the history that are most similar to the target and what they share with it. The
    task `reason` of `genrec tune` learns from them.

    Example: `genrec think rationales --run runs/demo think.rationales.rows=5000`
    """
    call = invoke(config, run, overrides, dry_run=dry_run, resume=resume, force=force, as_json=as_json)
    if call is None:
        return
    from genrec_alignment.reasoning.config import ThinkConfig
    from genrec_alignment.reasoning.make import make_rationales

    section = call.settings.section("think", ThinkConfig).rationales
    manifest = make_rationales(section, call.run, call.settings.seed, resume=call.resume, force=call.force)
    show({"rationales": str(call.run / "rationales"), **manifest.details}, call.as_json)


@think.command()
def ahead(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
    resume: ResumeOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let the run's language generator think about every user, and keep where that leads in `think_ahead`.

    What is kept for a user are beginnings of IDs. A small model then searches below them alone
    (`genrec recommend --user 42 --ahead`).

    Example: `genrec think ahead --run runs/demo think.ahead.thoughts=4 --resume`
    """
    call = invoke(config, run, overrides, dry_run=dry_run, resume=resume, force=force, as_json=as_json)
    if call is None:
        return
    from genrec.decoding.think.prepare import prepare_ahead
    from genrec_alignment.reasoning.config import ThinkConfig

    section = call.settings.section("think", ThinkConfig).ahead
    manifest = prepare_ahead(section, call.run, call.settings.seed, resume=call.resume, force=call.force)
    show({"think_ahead": str(call.run / "think_ahead"), **manifest.details}, call.as_json)
