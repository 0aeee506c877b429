"""``genrec simulate``: users fitted on a run's log, and A/B tests on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from genrec.cli.common import ConfigOption, DryRunOption, ForceOption, JsonOption, Overrides, RunOption, invoke
from genrec.errors import ConfigError

simulate = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")

_SystemA = Annotated[
    str, typer.Argument(metavar="A", help="What everybody has: RUN (its generator), RUN:BASELINE, or a generator.")
]
_SystemB = Annotated[str, typer.Argument(metavar="B", help="What is tried: the same.")]


def register(app: typer.Typer) -> None:
    """Add the verb, with its two actions, to the command line."""
    app.add_typer(simulate, name="simulate")


@simulate.callback()
def _root() -> None:
    """Simulated users, fitted on a run's own log, and A/B tests of two systems on them.

    Which system simulated users like better is not which one people like better: docs/simulation.md says what is
    fitted, what is assumed, and how far it goes.

    Example: `genrec simulate users --run runs/demo simulate.users.min_value=4`
    """


@simulate.command()
def users(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fit users to the run's log, into the folder `simulator`, and compare them with what was held out.

    `simulate.users.min_value` or `simulate.users.behaviors` says what a like is.

    Example: `genrec simulate users --run runs/demo simulate.users.min_value=4`
    """
    call = invoke(config, run, overrides, dry_run=dry_run, force=force, as_json=as_json)
    if call is None:
        return
    from genrec_eval.simulation.config import SimulateConfig
    from genrec_eval.simulation.make import KIND, make_simulator, read_report
    from genrec_eval.simulation.tables import users_table

    section = call.settings.section("simulate", SimulateConfig)
    make_simulator(section.users, call.run, call.settings.seed, force=call.force)
    report, folder = read_report(call.run), call.run / KIND
    print(json.dumps({"path": str(folder), **report}) if call.as_json else users_table(report, str(folder)))


@simulate.command()
def ab(
    a: _SystemA,
    b: _SystemB,
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let simulated users live with A or B, and tell the lift of B as an A/B test would, into the folder `ab_test`.

    The users are those of `--run`: unless told, of A's run. They are fitted first where that has not been done.

    Example: `genrec simulate ab runs/demo:popularity runs/demo simulate.users.min_value=4`
    """
    call = invoke(config, run or _run_of(a, config), overrides, dry_run=dry_run, force=force, as_json=as_json)
    if call is None:
        return
    from genrec_eval.simulation.ab import KIND, RESULTS, make_ab
    from genrec_eval.simulation.config import SimulateConfig
    from genrec_eval.simulation.tables import ab_table

    section = call.settings.section("simulate", SimulateConfig)
    make_ab(section, call.run, a, b, call.settings.seed, force=call.force)
    folder = call.run / KIND
    results: dict[str, Any] = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    if call.as_json:
        print(json.dumps({"path": str(folder), **results}))
    else:
        print(ab_table(results, section.ab.alpha, str(folder)))


def _run_of(system: str, config: Path | None) -> Path | None:
    """Return the run folder of a system; None where a configuration file may name the run.

    Raises:
        ConfigError: if the system is a generator's folder, which says nothing of users.
    """
    if config is not None:
        return None
    folder, colon, name = system.rpartition(":")
    run = Path(folder) if colon and "/" not in name else Path(system)
    if (run / "manifest.json").is_file():
        raise ConfigError(
            f"{run} is a generator alone, so it does not say whose users to simulate.", "Add --run RUN."
        )
    return run
