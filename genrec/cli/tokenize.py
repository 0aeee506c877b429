"""``genrec tokenize``: give every item a semantic ID."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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

ReportOption = Annotated[
    bool,
    typer.Option("--report", help="Also write report.html: figures, a map of the items, what codes stand for."),
]

EngineOption = Annotated[
    str, typer.Option("--engine", help="Who encodes and assigns: local, or ray (workers of a Ray cluster).")
]


def register(app: typer.Typer) -> None:
    """Add the verb to ``app``."""
    app.command(name="tokenize")(tokenize)


def tokenize(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
    resume: ResumeOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
    report: ReportOption = False,
    engine: EngineOption = "local",
) -> None:
    """Give every item a semantic ID, from its text, its image and what users do with it.

    Text vectors are cached by content as they are made, so an interrupted run always goes on from there, with
    or without `--resume`.

    Example: `genrec tokenize --run runs/demo --report tokenize.quantizer.levels=2`
    """
    call = invoke(config, run, overrides, dry_run=dry_run, resume=resume, force=force, as_json=as_json)
    if call is None:
        return
    from genrec.processes import is_main_process
    from genrec_tokenizers.config import TokenizeConfig
    from genrec_tokenizers.engine import make_engine
    from genrec_tokenizers.make import make_semantic_ids

    section = call.settings.section("tokenize", TokenizeConfig)
    workers = make_engine(engine)
    manifest = make_semantic_ids(section, call.run, call.settings.seed, force=call.force, engine=workers)
    if not is_main_process():
        return
    folder = call.run / "semantic_ids"
    page = _write_report(call.run) if report else {}
    if as_json:
        figures = {"path": str(folder), "seconds": manifest.seconds, "quality": manifest.details}
        show({**figures, **page}, as_json=True)
        return
    _print_levels(manifest.details["levels"])
    show({**_summary(folder, manifest.details), **page}, as_json=False)


def _write_report(run: Path) -> dict[str, str]:
    from genrec_eval.report import write_report

    return {"report": str(write_report(run))}


def _print_levels(levels: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for name in ("level", "codes", "used", "bits", "perplexity", "prefixes", "error left", "neighbours"):
        table.add_column(name, justify="right")
    for figures in levels:
        table.add_row(
            str(figures["level"]),
            f"{figures['codes']:,}",
            f"{figures['utilisation']:.1%}",
            f"{figures['entropy']:.2f}",
            f"{figures['perplexity']:.1f}",
            f"{figures['prefixes']:,}",
            f"{figures['reconstruction_error']:.1%}",
            f"{figures['neighbors']['hit_rate']:.1%}",
        )
    Console().print(table)


def _summary(folder: Path, figures: dict[str, Any]) -> dict[str, str]:
    collisions = figures["collisions"]
    share, largest = collisions["share_before"], collisions["largest_group"]
    before = f"{collisions['before']:,} items ({share:.1%}), at most {largest} alike"
    after = (
        f"a level of {figures['appended_codes']} codes was appended"
        if figures["appended_level"]
        else f"{collisions['moved']:,} got other codes"
    )
    unknown = ", ".join(f"{name} {count:,}" for name, count in figures["unknown"].items())
    return {
        "items": f"{figures['items']:,}",
        "same codes": f"{before}; {after}" if collisions["before"] else "none; no level was appended",
        "without data": f"{unknown} items",
        "written to": str(folder),
    }
