"""``genrec train``: a generator from a dataset and semantic IDs."""

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
    app.command(name="train")(train)


def train(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
    resume: ResumeOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a generator on the run's dataset and semantic IDs, and write it to the run's folder `generator`.

    Several GPUs: `accelerate launch -m genrec train --config my.yaml`. Several CPU processes: `torchrun
    --nproc-per-node 2 -m -- genrec train --config my.yaml`.

    Example: `genrec train --run runs/demo train.epochs=20 --resume`
    """
    call = invoke(config, run, overrides, dry_run=dry_run, resume=resume, force=force, as_json=as_json)
    if call is None:
        return
    from genrec.processes import is_main_process
    from genrec_alignment.pretraining.config import TrainConfig
    from genrec_alignment.pretraining.make import make_generator

    section = call.settings.section("train", TrainConfig)
    manifest = make_generator(section, call.run, call.settings.seed, resume=call.resume, force=call.force)
    if is_main_process():
        show({"generator": str(call.run / "generator"), **manifest.details}, call.as_json)
