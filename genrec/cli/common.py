"""What every verb shares: its options, the way settings are loaded, and the way results are shown."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from genrec.config import Section, Settings, load_settings
from genrec.console import console

# Where the settings class of each section lives. Imported only when a verb runs: core does not know the stages.
SECTIONS = {
    "data": "genrec.data.config:DataConfig",
    "tokenize": "genrec_tokenizers.config:TokenizeConfig",
    "train": "genrec_alignment.pretraining.config:TrainConfig",
    "tune": "genrec_alignment.sft.config:TuneConfig",
    "reward": "genrec_alignment.reward.config:RewardConfig",
    "align": "genrec_alignment.align.config:AlignConfig",
    "evaluate": "genrec_eval.config:EvaluateConfig",
    "simulate": "genrec_eval.simulation.config:SimulateConfig",
    "think": "genrec_alignment.reasoning.config:ThinkConfig",
    "loid": "genrec_alignment.loid.config:LoidConfig",
    "serve": "genrec.serving.config:ServeConfig",
}

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file with the settings of the run.")
]
RunOption = Annotated[Path | None, typer.Option("--run", "-r", help="Run folder; wins over the file's 'run'.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Check everything, show the settings, do nothing.")]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Continue interrupted work instead of starting it anew.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Make the artefact again even if it is current.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on the last line.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Single settings, such as train.epochs=3", metavar="[SECTION.KEY=VALUE]…")
]


@dataclass(frozen=True)
class Invocation:
    """One call of a verb: the validated settings and the options that mean the same everywhere."""

    settings: Settings
    dry_run: bool = False
    resume: bool = False
    force: bool = False
    as_json: bool = False

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.settings.run


def invoke(
    config: Path | None,
    run: Path | None,
    overrides: list[str] | None,
    *,
    dry_run: bool = False,
    resume: bool = False,
    force: bool = False,
    as_json: bool = False,
) -> Invocation | None:
    """Load and check the settings of a call; for a dry run show them and return None."""
    settings = load_settings(section_kinds(), config, overrides or (), run)
    if dry_run:
        show_dry_run(settings, as_json)
        return None
    return Invocation(settings, dry_run, resume, force, as_json)


def section_kinds() -> dict[str, type[Section]]:
    """Return the settings class of every section."""
    kinds = {}
    for name, path in SECTIONS.items():
        module, _, attribute = path.partition(":")
        kinds[name] = getattr(importlib.import_module(module), attribute)
    return kinds


def show_dry_run(settings: Settings, as_json: bool) -> None:
    """Print the settings that a call would use."""
    if as_json:
        print(json.dumps(settings.dump()))
    else:
        console.print("The settings are valid; nothing was done. They are:\n")
        print(yaml.safe_dump(settings.dump(), sort_keys=False, allow_unicode=True), end="")


def show(result: dict[str, Any], as_json: bool) -> None:
    """Print a verb's result: one JSON object, or aligned lines."""
    if as_json:
        print(json.dumps(result, default=str))
        return
    width = max((len(key) for key in result), default=0)
    for key, value in result.items():
        print(f"{key:<{width}}  {value}")
