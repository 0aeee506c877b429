"""What an alignment begins with: dataset, generator and two reward models, checked against each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genrec.console import remark
from genrec.data import Dataset
from genrec.errors import ArtifactError, ConfigError, DataError
from genrec.models import Generator
from genrec.runs import Manifest, open_artifact
from genrec_alignment.align.asking import Learned, Log
from genrec_alignment.align.config import ONE_BY_ONE, AlignConfig
from genrec_alignment.align.requests import Ints
from genrec_alignment.reward.scorer import RewardScorer

_USERS_FILE = "users.parquet"


@dataclass(frozen=True)
class Inputs:
    """All that an alignment reads.

    Args:
        log: the dataset, as policies and reward models read it.
        first: the folder of the generator to begin with.
        settings: what made that generator.
        model: the reward model to align with.
        judge: the one to judge with.
        users: ``user_index`` of each part: ``model``, ``judge`` and ``held_out``.
        digests: of every artefact that was read.
    """

    log: Log
    first: Path
    settings: dict[str, Any]
    model: Learned
    judge: Learned
    users: dict[str, Ints]
    digests: dict[str, str]


def open_inputs(run: Path, config: AlignConfig) -> Inputs:
    """Return a run's inputs.

    Raises:
        ArtifactError: if an artefact is missing, or they are of different items or versions.
        ConfigError: if a generator with an item head is to learn by what needs probabilities.
        DataError: if the reward models did not pass their gate.
    """
    dataset = Dataset.load(run / "dataset")
    made = {kind: open_artifact(run / kind, kind) for kind in ("generator", "reward")}
    _check_gate(made["reward"], run)
    generator = Generator.from_pretrained(run / "generator")
    _check(dataset, generator, made, run, config)
    log = Log(dataset, generator, config.session_length)
    scorers = [
        RewardScorer.from_pretrained(run / "reward" / name, generator.catalogue) for name in ("model", "judge")
    ]
    for scorer in scorers:
        _check_length(scorer, config, run)
    digests = {kind: manifest.digest for kind, manifest in made.items()} | {"dataset": dataset.manifest.digest}
    model, judge = (Learned(scorer, log) for scorer in scorers)
    return Inputs(
        log, run / "generator", made["generator"].config, model, judge, _users(dataset, run / "reward"), digests
    )


def _check_gate(reward: Manifest, run: Path) -> None:
    gate = reward.details.get("gate", {})
    if gate.get("passed"):
        for warning in gate.get("warnings", []):
            remark(f"A warning of the reward models ({run / 'reward'}): {warning}.")
        return
    problems = "; ".join(gate.get("problems", [])) or "it was not measured"
    raise DataError(
        f"The reward models in {run / 'reward'} did not pass their gate: {problems}. A policy would learn their "
        "mistakes.",
        f"Improve them (docs/reward.md), then: genrec reward --run {run}",
    )


def _check(
    dataset: Dataset, generator: Generator, made: dict[str, Manifest], run: Path, config: AlignConfig
) -> None:
    """Refuse artefacts that do not belong together, all reasons at once."""
    problems = []
    if generator.catalogue.item_ids != dataset.item_ids:
        problems.append(f"{run / 'generator'} writes other items than {run / 'dataset'} holds: genrec train.")
    for kind, verb in (("generator", "train"), ("reward", "reward")):
        known = made[kind].inputs.get("dataset")
        if known is not None and known != dataset.manifest.digest:
            problems.append(f"{run / kind} was made from another version of {run / 'dataset'}: genrec {verb}.")
    if problems:
        raise ArtifactError(problems, "Make again what is named.")
    if generator.reads_events and generator.model.config.shape.get("item_head"):
        _check_for_head(config, run)


def _check_for_head(config: AlignConfig, run: Path) -> None:
    """Refuse what needs normalised scores: an item head gives scores whose differences alone mean something."""
    how = "align.optimiser=grpo" if config.optimiser == "grpo" else f"align.loss={config.loss}"
    if config.optimiser == "grpo" or config.loss in ONE_BY_ONE:
        raise ConfigError(
            f"{run / 'generator'} has an item head: its scores are no probabilities, which {how} needs.",
            "Take a loss of differences, such as sigmoid, ipo or softmax_dpo, or train without the head: "
            "genrec train train.model.item_head=false.",
        )


def _check_length(scorer: RewardScorer, config: AlignConfig, run: Path) -> None:
    trained = int(scorer.model.config.session_length)
    if config.session_length > trained:
        raise ArtifactError(
            f"The reward models in {run / 'reward'} judge sessions of up to {trained} items, not "
            f"{config.session_length}.",
            f"Say align.session_length={trained}, or train them on longer ones: genrec reward --run {run} "
            f"reward.session_length={config.session_length}",
        )


def _users(dataset: Dataset, folder: Path) -> dict[str, Ints]:
    table = pl.read_parquet(folder / _USERS_FILE)
    index = dataset.user_index_of
    return {
        part: np.sort([index[user] for user in table.filter(pl.col("part") == part)["user_id"]]).astype(np.int64)
        for part in ("model", "judge", "held_out")
    }
