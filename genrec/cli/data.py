"""``genrec data``: import a log and a catalogue."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from genrec.cli.common import ConfigOption, DryRunOption, ForceOption, JsonOption, Overrides, RunOption, invoke


def data(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
    sources: Annotated[bool, typer.Option("--sources", help="List the importers and stop.")] = False,
) -> None:
    """Import, check, filter and split a log into the run folder's dataset.

    All problems of the files are reported at once, with file and row; whatever is dropped is counted and shown.

    Example: `genrec data --run runs/movielens data.filters.min_user_interactions=5`
    """
    from genrec.data.config import DataConfig
    from genrec.data.importers import IMPORTERS

    if sources:
        _show(dict(IMPORTERS), "data.source", as_json)
        return
    call = invoke(config, run, overrides, dry_run=dry_run, force=force, as_json=as_json)
    if call is None:
        return
    from genrec.data.make import ARTIFACT, make_dataset
    from genrec.data.summary import readable

    manifest = make_dataset(call.settings.section("data", DataConfig), call.run, call.settings.seed, force=force)
    folder = str(call.run / ARTIFACT)
    if as_json:
        _show(
            {"dataset": folder, "digest": manifest.digest, "seconds": manifest.seconds, **manifest.details},
            "",
            True,
        )
    else:
        _show(readable(manifest.details), folder, False)


def _show(result: dict[str, Any] | list[tuple[str, str]], title: str, as_json: bool) -> None:
    """Print a result to stdout: one JSON object, or a table of two columns."""
    import json

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if as_json:
        print(json.dumps(result))
        return
    table = Table(title=title, show_header=False, title_justify="left")
    for name, text in result.items() if isinstance(result, dict) else result:
        table.add_row(Text(name, style="bold"), Text(str(text)))
    Console(highlight=False).print(table)


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="data")(data)
