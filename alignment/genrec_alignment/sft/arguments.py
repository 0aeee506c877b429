"""SFTTrainer's arguments from the settings of a stage."""

from __future__ import annotations

from pathlib import Path

import torch
from trl import SFTConfig

from genrec_alignment.sft.config import StageConfig, TuneConfig

_CHECKPOINTS = 10  # of a stage that is not validated


def stage_arguments(
    config: TuneConfig, stage: StageConfig, steps: int, seed: int, folder: Path, metric: str | None
) -> SFTConfig:
    """Return the arguments of a stage.

    Args:
        config: the ``tune`` section.
        stage: one of its stages.
        steps: how long it is.
        seed: of dropout; the rows have their own.
        folder: where checkpoints go.
        metric: the validation metric that tells the best checkpoint; None: nothing is validated.
    """
    every = stage.validate_every or max(1, steps // _CHECKPOINTS)
    return SFTConfig(
        output_dir=str(folder),
        seed=seed,
        data_seed=seed,
        max_steps=steps,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=stage.learning_rate,
        warmup_steps=round(stage.warmup * steps),
        lr_scheduler_type="cosine",
        weight_decay=stage.weight_decay,
        adam_beta2=0.98,
        max_grad_norm=config.max_grad_norm,
        bf16=precision_of(config) == torch.bfloat16,
        gradient_checkpointing=config.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if config.gradient_checkpointing else None,
        eval_strategy="steps" if metric else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        logging_steps=max(1, min(every, steps // 20)),
        save_total_limit=2,
        load_best_model_at_end=metric is not None,
        metric_for_best_model=f"eval_{metric}" if metric else None,
        greater_is_better=True,
        include_num_input_tokens_seen="all",
        report_to=list(config.report_to),
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        accelerator_config={"dispatch_batches": False},
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.accelerator.is_available(),  # else processes on CPUs each take themselves for alone
        ddp_find_unused_parameters=False,
        disable_tqdm=False,
    )


def precision_of(config: TuneConfig) -> torch.dtype:
    """Return the precision of frozen weights and of products."""
    if config.precision == "auto":
        return torch.bfloat16 if _multiplies_bfloat16() else torch.float32
    return torch.bfloat16 if config.precision == "bfloat16" else torch.float32


def _multiplies_bfloat16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    # AVX-512 multiplies it 2 to 2.6 times as fast as float32 (the floors of benchmarks/sft.py), AMX faster still.
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
