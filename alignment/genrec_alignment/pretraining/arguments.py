"""The Trainer's arguments from the ``train`` section."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import TrainingArguments

from genrec.processes import process_share
from genrec_alignment.pretraining.config import TrainConfig

_PASSES = 4
_LITTLE_PADDING = 0.25


def passes(config: TrainConfig, lengths: npt.NDArray[np.integer]) -> int:
    """Return in how many parts a batch goes through the model before its one step.

    On a CPU padding costs as much as what is real: so a batch, whose rows are sorted by length, goes through in
    four parts, each as long as its longest row. The gradient is that of the whole. On a GPU each part would
    wait for Python, and padding is cheap. A teacher contrasts the users of a part, and needs all of them.

    Args:
        config: the ``train`` section.
        lengths: of the rows; where they hardly differ, a batch goes through as a whole.
    """
    padding = 1 - lengths.mean() / max(1, lengths.max())
    if torch.accelerator.is_available() or config.teacher is not None or padding < _LITTLE_PADDING:
        return 1
    return math.gcd(config.batch_size, _PASSES)


def training_arguments(
    config: TrainConfig, seed: int, partial: Path, lengths: npt.NDArray[np.integer], metric: str
) -> TrainingArguments:
    """Return the arguments of a training.

    Args:
        config: the ``train`` section.
        seed: the seed of dropout and order.
        partial: where checkpoints go.
        lengths: of the rows of an epoch.
        metric: the validation metric that tells the best checkpoint.
    """
    parts = passes(config, lengths)
    _, processes = process_share()
    steps_per_epoch = math.ceil(len(lengths) / (config.batch_size * config.gradient_accumulation * processes))
    return TrainingArguments(
        output_dir=str(partial),
        seed=seed,
        data_seed=seed,
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size // parts,
        gradient_accumulation_steps=config.gradient_accumulation * parts,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        lr_scheduler_type="cosine",
        weight_decay=config.weight_decay,
        adam_beta2=0.98,
        max_grad_norm=config.max_grad_norm,
        label_smoothing_factor=config.label_smoothing,
        bf16=_wants_bfloat16(config.precision),
        gradient_checkpointing=config.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        eval_strategy="steps",
        eval_steps=config.validate_every * steps_per_epoch,
        save_strategy="steps",
        save_steps=config.validate_every * steps_per_epoch,
        logging_steps=steps_per_epoch,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{metric}",
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
