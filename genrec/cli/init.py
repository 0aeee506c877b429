"""``genrec init``: look at someone's files and write a configuration to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genrec.cli.common import JsonOption, section_kinds
from genrec.console import remark
from genrec.errors import ConfigError


def init(
    path: Annotated[Path, typer.Argument(help="A log, or a folder with a log and perhaps a catalogue.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The configuration to write.")] = Path(
        "genrec.yaml"
    ),
    run: Annotated[str, typer.Option("--run", "-r", help="Run folder; by default named after the files.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the configuration if it exists.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the configuration, write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at your files, guess how to read them, and write a commented configuration.

    The guess says what it rests on. Check it, then go on with `genrec data`.

    Example: `genrec init logs/ratings.csv --output ratings.yaml`
    """
    import json

    from genrec.data.guess import guess
    from genrec.data.starter import starter_config

    found = guess(path)
    stem = (path if path.is_dir() else path.with_suffix("")).resolve().name
    text = starter_config(
        section_kinds(), run or f"runs/{stem}", found.data, found.because, f"genrec data --config {output}"
    )
    if dry_run:
        print(text, end="")
        return
    if output.exists() and not force:
        raise ConfigError(f"{output} exists.", "Choose another --output, or replace it with --force.")
    output.write_text(text, encoding="utf-8")
    if as_json:
        print(json.dumps({"config": str(output), "data": found.data, "because": found.because}))
        return
    for line in found.because:
        remark(line)
    remark(f"\nWrote {output}. Check its section 'data', then import:")
    print(f"genrec data --config {output}")


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="init")(init)
