"""Make ``run/loid``: adapters, vectors and a trained network, measured on the test part."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from genrec.console import remark
from genrec.data import Dataset
from genrec.errors import ConfigError, DataError
from genrec.runs import Manifest, is_current, new_artifact, open_artifact
from genrec_alignment.loid.baselines import baseline_metrics
from genrec_alignment.loid.config import LoidConfig, TargetName
from genrec_alignment.loid.examples import Interactions
from genrec_alignment.loid.network import LoidNetwork
from genrec_alignment.loid.saved import SETTINGS_FILE, WEIGHTS_FILE
from genrec_alignment.loid.stages import VECTORS_FILE, Stages, named_sources
from genrec_alignment.loid.training import measure, train_network

RESULTS_FILE = "results.json"
_ADAPTERS = ("sources", "merged", "target")


def make_loid(
    config: LoidConfig, run: Path, seed: int, *, force: bool = False, stages: Path | None = None
) -> Manifest:
    """Train LoID on ``run``'s dataset and those of the source domains, and write ``run/loid``.

    Args:
        config: the ``loid`` section.
        run: the run folder of the target domain.
        seed: the seed of everything random.
        force: make all of it again.
        stages: where finished stages are kept; None: ``run/loid.partial``, which is removed when all is done.

    Raises:
        ConfigError: if the sources do not fit the settings.
        ArtifactError: if a dataset is missing, or the language model cannot be read.
        DataError: if there is nothing to learn from.
        MissingPackageError: if peft is not installed.
    """
    dataset, sources = Dataset.load(run / "dataset"), named_sources(config)
    _check(config, run)
    settings = config.model_dump(mode="json") | {"seed": seed}
    inputs = {"dataset": dataset.manifest.digest} | {name: one.manifest.digest for name, one in sources.items()}
    if not force and is_current(run / "loid", "loid", settings, inputs):
        remark(f"{run / 'loid'} is up to date.")
        return open_artifact(run / "loid", "loid")
    partial = stages or run / "loid.partial"
    if force:
        shutil.rmtree(partial, ignore_errors=True)
    kept = Stages(config, partial, seed)
    vectors = _vectors(kept, dataset, sources) if config.semantic else None
    interactions = Interactions(dataset, _target(config, dataset), config.network.history_length)
    with new_artifact(run / "loid", "loid", settings, inputs, seed) as draft:
        network, report = _train(config, dataset, interactions, vectors, seed)
        draft.details = report | {"adapters": kept.details() if config.semantic else {}}
        _save(draft.path, network, vectors, dataset, interactions, config, kept)
        (draft.path / RESULTS_FILE).write_text(json.dumps(report["metrics"], indent=1) + "\n", encoding="utf-8")
    if stages is None:
        shutil.rmtree(partial, ignore_errors=True)
    return open_artifact(run / "loid", "loid")


def _check(config: LoidConfig, run: Path) -> None:
    if any(Path(source).resolve() == run.resolve() for source in config.sources):
        raise ConfigError(f"loid.sources: {run} is the target, so it is no source.")


def _target(config: LoidConfig, dataset: Dataset) -> TargetName:
    """Return what is predicted: what was asked for, else ratings where the log has any."""
    values = dataset.sequences.values
    return config.target or ("item" if values is None else "rating")


def _vectors(stages: Stages, dataset: Dataset, sources: dict[str, Dataset]) -> torch.Tensor:
    start = None
    if stages.config.merge != "none":
        start = stages.merged([stages.source(name, source) for name, source in sources.items()])
    return stages.vectors(dataset, stages.target(dataset, start))


def _train(
    config: LoidConfig, dataset: Dataset, interactions: Interactions, vectors: torch.Tensor | None, seed: int
) -> tuple[LoidNetwork, dict[str, Any]]:
    train, test = interactions.rows("train"), interactions.rows("test")
    if not len(train) or not len(test):
        raise DataError(f"{dataset.path} has {len(train)} interactions to learn and {len(test)} to test.")
    items, users = len(dataset.item_ids), len(dataset.user_ids)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = LoidNetwork(users, items, vectors, config.network, interactions.mean)
    network.blank_unseen(interactions.users[train], interactions.items[train])
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    report: dict[str, Any] = {"target": interactions.target, "examples": len(test)}
    report |= train_network(network, interactions, seed)
    metrics = {"loid": measure(network, interactions, test)} | baseline_metrics(interactions, test, items)
    return network, report | {"metrics": metrics}


def _save(
    folder: Path,
    network: LoidNetwork,
    vectors: torch.Tensor | None,
    dataset: Dataset,
    interactions: Interactions,
    config: LoidConfig,
    stages: Stages,
) -> None:
    weights = {name: weight.cpu().contiguous() for name, weight in network.state_dict().items()}
    save_file(weights, folder / WEIGHTS_FILE)
    if vectors is not None:
        save_file({"items": vectors}, folder / VECTORS_FILE)
        for name in _ADAPTERS:
            if (stages.folder / name).is_dir() and (name == "target" or config.merge != "none"):
                ignored = shutil.ignore_patterns("manifest.json", ".*")
                shutil.copytree(stages.folder / name, folder / "adapters" / name, ignore=ignored)
    settings = {
        "target": interactions.target,
        "mean": interactions.mean,
        "network": config.network.model_dump(mode="json"),
        "users": dataset.user_ids,
        "items": dataset.item_ids,
    }
    (folder / SETTINGS_FILE).write_text(json.dumps(settings) + "\n", encoding="utf-8")
