"""The ``genrec`` command: gathers the verbs and turns errors a person can mend into one message and exit code 2."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from genrec import __version__
from genrec.console import console
from genrec.errors import GenrecError
from genrec.memory import keep_freed_memory

# In the order of the help page. Each is a module of genrec.cli with a function register(app).
VERBS = (
    "demo",
    "init",
    "data",
    "tokenize",
    "train",
    "tune",
    "reward",
    "align",
    "evaluate",
    "simulate",
    "report",
    "off-policy",
    "recommend",
    "serve",
    "think",
    "catalogue",
    "loid",
    "doctor",
)

# What the system refuses for reasons that a person can mend: a full disk, a quota, missing rights.
_MENDABLE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


class _Verbs(TyperGroup):
    """Runs a verb and words what went wrong."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except GenrecError as error:
            _complain(str(error))
        except OSError as error:
            if error.errno not in _MENDABLE:
                raise
            _complain(f"{error.strerror}: {error.filename}" if error.filename else f"{error.strerror}.")
        except KeyboardInterrupt:
            console.print("\nInterrupted. What was finished is whole; the same command goes on from there.")
            console.print("A training goes on from its last checkpoint with --resume.")
            raise typer.Exit(130) from None


app = typer.Typer(
    name="genrec",
    cls=_Verbs,
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


def main() -> None:
    """Run the command line; the entry point of ``genrec`` and ``python -m genrec``."""
    # Nothing reaches for the network unless a configuration names a hub id and the person allows it.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # genrec shows the progress of its own work; the libraries' bars matter only when something is downloaded.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if os.environ["HF_HUB_OFFLINE"] != "0":
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    keep_freed_memory()
    if not app.registered_commands:
        for verb in VERBS:
            importlib.import_module(f"genrec.cli.{verb.replace('-', '_')}").register(app)
    try:
        app()
    finally:
        _finish_stdout()


def _complain(text: str) -> None:
    console.print("[bold red]Error:[/] ", end="")
    console.print(text, markup=False, soft_wrap=True)
    raise typer.Exit(2)


def _finish_stdout() -> None:
    """Let a reader such as ``head`` close the pipe early without Python complaining about it at the exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
