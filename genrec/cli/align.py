"""``genrec align``: a generator that two reward models prefer, round by round."""

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
    app.command(name="align")(align)


def align(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
    resume: ResumeOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Align the run's generator with its reward model, and write what came of it to the folder `align`.

    In every round the generator proposes candidates, the reward model says which are better, the generator learns
    to prefer them, and is judged on users it was not aligned with. A round is kept if the reward model and a second
    one both prefer what it recommends, and recall and NDCG hold; else it is rolled back and the next one takes
    smaller steps. The run's generator stays as it is; the aligned one is `align/generator`, if any round was kept.

    The run needs a generator, and reward models that passed their gate (`genrec reward`). Several GPUs: `accelerate
    launch -m genrec align --config my.yaml`. An alignment that was cut off goes on with `--resume`.

    Example: `genrec align --config alignment/recipes/align-movielens.yaml --run runs/films`

    Example: `genrec recommend --generator runs/films/align/generator --history 50,181,172`
    """
    call = invoke(config, run, overrides, dry_run=dry_run, resume=resume, force=force, as_json=as_json)
    if call is None:
        return
    from genrec.console import console
    from genrec.processes import is_main_process
    from genrec_alignment.align import table
    from genrec_alignment.align.config import AlignConfig
    from genrec_alignment.align.make import KIND, make_alignment

    def tell(report: dict[str, object]) -> None:
        if is_main_process():
            rows = [*([table.header()] if report["round"] == 0 else []), *table.lines(report)]
            console.print("\n".join(rows), markup=False, highlight=False, soft_wrap=True)

    section = call.settings.section("align", AlignConfig)
    manifest = make_alignment(
        section, call.run, call.settings.seed, resume=call.resume, force=call.force, tell=tell
    )
    if not is_main_process():
        return
    folder = call.run / KIND
    kept = str(folder / "generator") if manifest.details["accepted"] else None
    if call.as_json:
        show({"align": str(folder), "generator": kept, **manifest.details}, True)
        return
    named = kept or f"none: no round was kept, so {call.run / 'generator'} stays the better one"
    show({"align": str(folder), "rounds kept": manifest.details["accepted"], "generator": named}, False)
