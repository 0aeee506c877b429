"""Train a generator: from a dataset and semantic IDs to a folder that serves alone."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import EarlyStoppingCallback, set_seed
from transformers.integrations import get_available_reporting_integrations
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from genrec.console import remark
from genrec.data import Dataset
from genrec.data.features import Features
from genrec.errors import ArtifactError, ConfigError, MissingPackageError
from genrec.models import DecoderConfig, Generator, build_generator
from genrec.models.onerec.history.inputs import fit_features
from genrec.models.tiger.config import T5Config
from genrec.runs import Manifest, is_current, new_artifact, open_artifact
from genrec.semantic_ids import Catalogue
from genrec_alignment.pretraining.arguments import training_arguments
from genrec_alignment.pretraining.averaging import AverageWeights
from genrec_alignment.pretraining.card import write_card
from genrec_alignment.pretraining.checkpoints import checkpoint_to_resume
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.dropout import add_dropout
from genrec_alignment.pretraining.experts import BalanceExperts
from genrec_alignment.pretraining.progress import Progress
from genrec_alignment.pretraining.rows import training_rows
from genrec_alignment.pretraining.trainer import HistoryTrainer, PretrainingTrainer
from genrec_alignment.pretraining.unseen import blank_unseen_items
from genrec_alignment.pretraining.validation import validation_of
from genrec_alignment.pretraining.windows import Collator, Windows
from genrec_alignment.teacher.make import add_teacher, forget_teacher

LOG_NAME = "training_log.json"


def make_generator(
    config: TrainConfig, run: Path, seed: int, *, resume: bool = False, force: bool = False
) -> Manifest:
    """Train on ``run``'s dataset and semantic IDs, and write ``run/generator``.

    Checkpoints go to ``run/generator.partial`` and are removed when the generator is complete. Under
    ``accelerate launch`` every process calls this; the first one writes.

    Args:
        config: the ``train`` section.
        run: the run folder.
        seed: the seed of weights, order, windows and dropout.
        resume: go on from the last checkpoint of an interrupted run with the same settings.
        force: train again even if the generator is current.

    Raises:
        MissingPackageError: if a tracker is not installed.
        ArtifactError: if the dataset or the semantic IDs are missing or do not belong together.
        ConfigError: if the weights shall be averaged under DeepSpeed.
        DataError: if there is nothing to learn from.
    """
    dataset, catalogue, inputs = open_inputs(run)
    prepare_trackers(config.report_to, run)
    target, settings = run / "generator", config.model_dump(mode="json") | {"seed": seed}
    if not force and is_current(target, "generator", settings, inputs):
        remark(f"{target} is up to date.")
        return open_artifact(target, "generator")
    trainer = _trainer(config, dataset, catalogue, seed, run / "generator.partial")
    checkpoint = checkpoint_to_resume(run / "generator.partial", settings | inputs, resume, trainer)
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.accelerator.wait_for_everyone()  # all have read the best checkpoint before the first one removes it
    forget_teacher(trainer)
    generator = replace(trainer.generator, model=trainer.whole_model())
    if trainer.is_world_process_zero():
        _write(generator, trainer, target, settings, inputs, seed, time.monotonic() - started)
        shutil.rmtree(run / "generator.partial", ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return open_artifact(target, "generator")


def open_inputs(run: Path) -> tuple[Dataset, Catalogue, dict[str, str]]:
    """Return a run's dataset, its semantic IDs, and the digests of both.

    Raises:
        ArtifactError: if one is missing, or they do not belong together.
    """
    dataset = Dataset.load(run / "dataset")
    ids = open_artifact(run / "semantic_ids", "semantic_ids")
    catalogue = Catalogue.load(run / "semantic_ids")
    if catalogue.item_ids != dataset.item_ids:
        raise ArtifactError(
            f"{run / 'semantic_ids'} was made from other items than {run / 'dataset'} holds.",
            f"Make it again: genrec tokenize --run {run}",
        )
    return dataset, catalogue, {"dataset": dataset.manifest.digest, "semantic_ids": ids.digest}


def prepare_trackers(names: Sequence[str], run: Path) -> None:
    """Refuse trackers that are not installed, before any work; keep TensorBoard's files beside the generator."""
    missing = sorted(set(names) - set(get_available_reporting_integrations()))
    if missing:
        raise MissingPackageError(
            missing[0], f"train.report_to: {', '.join(missing)}", f"pip install {' '.join(missing)}"
        )
    if "tensorboard" in names:
        # The Trainer has no argument for it, and its default is the folder of checkpoints, which goes.
        os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(run / "tensorboard"))


def _trainer(
    config: TrainConfig, dataset: Dataset, catalogue: Catalogue, seed: int, partial: Path
) -> PretrainingTrainer:
    set_seed(seed)
    features = _features(config, dataset)
    session_length = config.session.length if config.target == "session" else None
    generator = build_generator(
        config.model,
        catalogue,
        config.history_length,
        session_length=session_length or 1,
        dropout=config.dropout,
        features=features,
    )
    blank_unseen_items(generator, dataset)
    table = features.table(dataset) if features else None
    rows, report = training_rows(config, dataset, generator, seed, table)
    validation = validation_of(dataset, config.validation_users, seed, session_length, table)
    if isinstance(rows, Windows):
        add_dropout(generator.model, config.dropout)
    trainer = (PretrainingTrainer if isinstance(rows, Windows) else HistoryTrainer)(
        generator,
        rows,
        validation,
        config,
        args=training_arguments(config, seed, partial, rows.lengths, validation.metric),
        data_collator=Collator(catalogue.vocabulary.pad_id) if isinstance(rows, Windows) else rows,
        callbacks=[EarlyStoppingCallback(config.patience), BalanceExperts],
    )
    trainer.details |= report
    for callback in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(Progress)
    if config.teacher is not None and isinstance(trainer, HistoryTrainer):
        add_teacher(trainer, config.teacher, dataset, partial.with_name("teacher"))
    if config.average:
        if trainer.is_deepspeed_enabled:
            raise ConfigError("DeepSpeed keeps the optimizer's state to itself.", "Say train.average=0.")
        trainer.add_callback(AverageWeights(config.average))
    return trainer


def _features(config: TrainConfig, dataset: Dataset) -> Features | None:
    return (
        None if isinstance(config.model, DecoderConfig | T5Config) else fit_features(dataset, config.model.history)
    )


def _write(
    generator: Generator,
    trainer: PretrainingTrainer,
    target: Path,
    settings: dict[str, Any],
    inputs: dict[str, str],
    seed: int,
    seconds: float,
) -> None:
    with new_artifact(target, "generator", settings, inputs, seed) as draft:
        draft.earlier_seconds = seconds
        generator.save_pretrained(draft.path)
        draft.details = {
            "parameters": sum(weight.numel() for weight in generator.model.parameters()),
            "steps": trainer.state.global_step,
            "epochs": trainer.state.epoch,
            f"best_validation_{trainer.validation.metric}": trainer.state.best_metric,
            "tokens": int(trainer.state.num_input_tokens_seen),
            **trainer.details,
        }
        log = {"log": trainer.state.log_history}
        (draft.path / LOG_NAME).write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")
        write_card(draft.path, generator, settings, draft.details)
