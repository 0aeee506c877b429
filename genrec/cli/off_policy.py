"""``genrec off-policy``: what another policy would have earned, from a log with propensities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from genrec.cli.common import JsonOption

LogArgument = Annotated[Path, typer.Argument(help="Parquet or CSV file, one row an action or a place of a list.")]
WeightOption = Annotated[
    float | None, typer.Option("--max-weight", help="Cut larger importance weights; without it none is cut.")
]
LevelOption = Annotated[float, typer.Option("--level", help="Of the intervals.")]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="off-policy")(off_policy)


def off_policy(
    log: LogArgument, max_weight: WeightOption = None, level: LevelOption = 0.95, as_json: JsonOption = False
) -> None:
    """Estimate what a policy would have earned, from a log of another one.

    The log has the columns `reward`, `propensity` (the probability with which the logging policy showed what it
    showed) and `target_propensity` (that of the policy to be valued). With a reward model's `estimated_reward` (of
    what was shown) and `estimated_value` (mean over the other policy's actions) the direct method and doubly robust
    are added. With `slate` and `position` a row is a place of a list.

    Example: `genrec off-policy log.parquet`
    """
    from genrec_eval.off_policy import estimate_file

    found = [one.to_dict() for one in estimate_file(log, max_weight=max_weight, level=level)]
    if as_json:
        print(json.dumps({"estimates": found}))
    else:
        _print(found, level)


def _print(found: list[dict[str, Any]], level: float) -> None:
    width = max(len(one["estimator"]) for one in found)
    print(f"{'':<{width}}  {'value':>10}  {f'{100 * level:g} % interval':>24}  {'effective rows':>14}")
    for one in found:
        interval = f"{one['low']:.6f} to {one['high']:.6f}"
        effective = f"{one['effective_rows']:,.0f}"
        print(f"{one['estimator']:<{width}}  {one['value']:>10.6f}  {interval:>24}  {effective:>14}")
    print(f"\n{found[0]['rows']:,} rows", end="")
    print(f"; {found[0]['clipped']:.2%} of the weights were cut" if found[0]["clipped"] else "")
