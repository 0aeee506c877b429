"""Train a generator: from a dataset and semantic IDs to a folder that serves alone."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import EarlyStoppingCallback, TrainingArguments, set_seed
from transformers.integrations import get_available_reporting_integrations
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import get_last_checkpoint

from genrec.console import remark
from genrec.data import Dataset, Examples
from genrec.errors import ArtifactError, DataError, MissingPackageError
from genrec.models import Generator, build_decoder
from genrec.processes import process_share
from genrec.runs import Manifest, is_current, new_artifact, open_artifact
from genrec.semantic_ids import Catalogue
from genrec_alignment.pretraining.card import write_card
from genrec_alignment.pretraining.config import TrainConfig
from genrec_alignment.pretraining.trainer import METRIC, PretrainingTrainer, Progress
from genrec_alignment.pretraining.windows import Collator, Windows

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
        DataError: if there is nothing to learn from.
    """
    dataset, catalogue, inputs = _open_inputs(run)
    _prepare_trackers(config.report_to, run)
    target, settings = run / "generator", config.model_dump(mode="json") | {"seed": seed}
    if not force and is_current(target, "generator", settings, inputs):
        remark(f"{target} is up to date.")
        return open_artifact(target, "generator")
    trainer = _trainer(config, dataset, catalogue, seed, run / "generator.partial")
    checkpoint = _checkpoint(run / "generator.partial", settings | inputs, resume, trainer)
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=checkpoint)
    if trainer.is_world_process_zero():
        _write(trainer, target, settings, inputs, seed, time.monotonic() - started)
        shutil.rmtree(run / "generator.partial", ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return open_artifact(target, "generator")


def _open_inputs(run: Path) -> tuple[Dataset, Catalogue, dict[str, str]]:
    dataset = Dataset.load(run / "dataset")
    ids = open_artifact(run / "semantic_ids", "semantic_ids")
    catalogue = Catalogue.load(run / "semantic_ids")
    if catalogue.item_ids != dataset.item_ids:
        raise ArtifactError(
            f"{run / 'semantic_ids'} was made from other items than {run / 'dataset'} holds.",
            f"Make it again: genrec tokenize --run {run}",
        )
    return dataset, catalogue, {"dataset": dataset.manifest.digest, "semantic_ids": ids.digest}


def _prepare_trackers(names: Sequence[str], run: Path) -> None:
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
    histories = list(dataset.sequences.part("train"))
    if not any(len(history) > 1 for history in histories):
        raise DataError(
            f"{dataset.path}: no user has two interactions to train on.", "Loosen data.filters or data.split."
        )
    windows = Windows(histories, catalogue, config.history_length, seed, config.order_noise)
    max_tokens = 1 + (config.history_length + 1) * catalogue.vocabulary.levels
    model = build_decoder(config.model, catalogue.vocabulary, max_tokens)
    generator = Generator(model, catalogue, config.history_length)
    trainer = PretrainingTrainer(
        generator,
        windows,
        _validation(dataset, config.validation_users, seed),
        config,
        args=_arguments(config, seed, partial, _steps_per_epoch(config, windows)),
        data_collator=Collator(catalogue.vocabulary.pad_id),
        callbacks=[EarlyStoppingCallback(config.patience)],
    )
    for callback in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(Progress)
    return trainer


def _steps_per_epoch(config: TrainConfig, windows: Windows) -> int:
    _, processes = process_share()
    return math.ceil(len(windows.as_dataset()) / (config.batch_size * config.gradient_accumulation * processes))


def _validation(dataset: Dataset, most: int, seed: int) -> Examples:
    """Return the validation examples, a fixed random part of them where there are many."""
    examples = dataset.examples("valid")
    if not len(examples):
        raise DataError(f"{dataset.path} has no validation part.", "Choose a data.split that makes one.")
    if len(examples) <= most:
        return examples
    rows = np.sort(np.random.default_rng(seed).choice(len(examples), most, replace=False))
    return Examples(examples.users[rows], examples.targets[rows], [examples.histories[row] for row in rows])


def _arguments(config: TrainConfig, seed: int, partial: Path, steps_per_epoch: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(partial),
        seed=seed,
        data_seed=seed,
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        lr_scheduler_type="cosine",
        weight_decay=config.weight_decay,
        adam_beta2=0.98,
        max_grad_norm=config.max_grad_norm,
        label_smoothing_factor=config.label_smoothing,
        bf16=_wants_bfloat16(config.precision),
        eval_strategy="steps",
        eval_steps=config.validate_every * steps_per_epoch,
        save_strategy="steps",
        save_steps=config.validate_every * steps_per_epoch,
        logging_steps=steps_per_epoch,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=METRIC,
        greater_is_better=True,
        include_num_input_tokens_seen="non_padding",
        report_to=list(config.report_to),
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.accelerator.is_available(),  # else processes on CPUs each take themselves for alone
        ddp_find_unused_parameters=False,
    )


def _wants_bfloat16(precision: str) -> bool:
    if precision == "auto":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return precision == "bfloat16"


def _checkpoint(partial: Path, work: dict[str, Any], resume: bool, trainer: PretrainingTrainer) -> str | None:
    """Return the checkpoint to go on from; without one, begin a new partial folder for this work."""
    mark = hashlib.sha256(json.dumps(work, sort_keys=True).encode()).hexdigest()
    file = partial / "work.sha256"
    same = file.is_file() and file.read_text(encoding="utf-8") == mark
    last = _last_whole_checkpoint(partial) if resume and same else None
    if trainer.is_world_process_zero():
        if last:
            remark(f"Going on from {last}.")
        elif get_last_checkpoint(str(partial)):
            why = "its settings or inputs differ" if not same else "--resume was not given"
            remark(f"Leaving the interrupted training in {partial} aside, because {why}.")
    trainer.accelerator.wait_for_everyone()
    if not last and trainer.is_world_process_zero():
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        file.write_text(mark, encoding="utf-8")
    trainer.accelerator.wait_for_everyone()
    return last


def _last_whole_checkpoint(partial: Path) -> str | None:
    """Return the latest checkpoint that was written to its end: the trainer's state is the last file of it."""
    checkpoints = sorted(partial.glob("checkpoint-*"), key=lambda place: int(place.name.partition("-")[2]))
    for place in reversed(checkpoints):
        try:
            json.loads((place / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return str(place)
    return None


def _write(
    trainer: PretrainingTrainer,
    target: Path,
    settings: dict[str, Any],
    inputs: dict[str, str],
    seed: int,
    seconds: float,
) -> None:
    model = trainer.accelerator.unwrap_model(trainer.model)
    generator = Generator(model, trainer.generator.catalogue, trainer.generator.history_length)
    with new_artifact(target, "generator", settings, inputs, seed) as draft:
        draft.earlier_seconds = seconds
        generator.save_pretrained(draft.path)
        draft.details = {
            "parameters": sum(weight.numel() for weight in model.parameters()),
            "steps": trainer.state.global_step,
            "epochs": trainer.state.epoch,
            "best_validation_ndcg@10": trainer.state.best_metric,
            "tokens": int(trainer.state.num_input_tokens_seen),
        }
        log = {"log": trainer.state.log_history}
        (draft.path / LOG_NAME).write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")
        write_card(draft.path, generator, settings, draft.details)
