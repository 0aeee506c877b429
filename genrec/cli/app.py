"""The ``genrec`` command: gathers the verbs and turns errors a person can mend into one message and exit code 2."""

from __future__ import annotations

import os
import sys

import typer

from genrec import __version__
from genrec.console import console
from genrec.errors import GenrecError

app = typer.Typer(
    name="genrec",
    help="Generative recommendation: from a raw log to ranked items, evaluated and served.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"genrec {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Generative recommendation: from a raw log to ranked items, evaluated and served.

    Start with `genrec demo`, or with `genrec init PATH` for files of your own.
    """


def _register() -> None:
    from genrec.cli import data, demo, doctor, evaluate, init, recommend, report, tokenize, train

    for module in (demo, init, data, tokenize, train, evaluate, report, recommend, doctor):
        module.register(app)


def main() -> None:
    """Run the command line; the entry point of ``genrec`` and ``python -m genrec``."""
    # Nothing reaches for the network unless a configuration names a hub id and the person allows it.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    _register()
    try:
        app()
    except GenrecError as error:
        console.print("[bold red]Error:[/] ", end="")
        console.print(str(error), markup=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print(
            "\nInterrupted. Earlier artefacts are whole; the same command with --resume goes on from here."
        )
        sys.exit(130)
