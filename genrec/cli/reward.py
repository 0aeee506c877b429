"""``genrec reward``: models of what a session is worth to a user."""

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
    app.command(name="reward")(reward)


def reward(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
    resume: ResumeOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train two reward models on the run's sessions, measure both on other users, and write the folder `reward`.

    One is to align with, the other, of other users, to judge with (`genrec align`). What counts as liked or clicked
    is said by `reward.objectives`. The table shows for each objective how well a model tells items apart, over all
    rows (AUC) and within users (GAUC), beside the item average; the gate says whether it may be used. `--resume`
    takes the model that an interrupted call had finished.

    Example: `genrec reward --config alignment/recipes/reward-movielens.yaml --run runs/films`
    """
    call = invoke(config, run, overrides, dry_run=dry_run, resume=resume, force=force, as_json=as_json)
    if call is None:
        return
    from genrec_alignment.reward.config import RewardConfig
    from genrec_alignment.reward.make import make_reward
    from genrec_alignment.reward.table import lines

    section = call.settings.section("reward", RewardConfig)
    manifest = make_reward(section, call.run, call.settings.seed, resume=call.resume, force=call.force)
    folder = str(call.run / "reward")
    if call.as_json:
        show({"reward": folder, **manifest.details}, True)
        return
    print("\n".join([*lines(manifest.details), "", f"reward  {folder}"]))
