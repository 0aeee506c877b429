"""What ``genrec tune --dry-run`` shows: the stages, their tokens, the least time, one row of each task."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch

from genrec.console import remark
from genrec.errors import ArtifactError
from genrec_alignment.pretraining.make import open_inputs
from genrec_alignment.sft.adapters import enter
from genrec_alignment.sft.arguments import precision_of
from genrec_alignment.sft.config import TuneConfig
from genrec_alignment.sft.make import builder
from genrec_alignment.sft.stages import Tuning
from genrec_alignment.tasks import preview

Plan = list[dict[str, Any]]


def show_plan(config: TuneConfig, run: Path, seed: int, *, as_json: bool) -> None:
    """Print the plan of a tuning; without a dataset, say what is missing.

    Args:
        config: the ``tune`` section.
        run: the run folder, with a dataset and semantic IDs.
        seed: of the rows that are shown.
        as_json: one JSON object in place of text.
    """
    try:
        stages = plan(config, run, seed)
    except ArtifactError as error:
        remark(f"The stages cannot be shown yet. {error}")
        return
    if as_json:
        print(json.dumps({"stages": stages}))
        return
    for stage in stages:
        print(
            f"\n{stage['stage']}: {stage['steps']:,} steps, {stage['tokens']:,} tokens, "
            f"{stage['epochs']:.2f} epochs; "
            f"trains {stage['trained_parameters']:,} of {stage['parameters']:,} parameters, "
            f"{stage['least_minutes']:.1f} minutes at the least"
        )
        print(stage["rows"])


def plan(config: TuneConfig, run: Path, seed: int) -> Plan:
    """Return what each stage will do.

    ``least_minutes`` is what its products take at the rate that this machine multiplies large matrices now; a stage
    takes two to three times as long.

    Raises:
        ArtifactError: if the dataset or the semantic IDs are missing or do not belong together.
        DataError: if the dataset lacks what a task needs.
    """
    dataset, catalogue, inputs = open_inputs(run)
    tuning = Tuning(
        config, dataset, builder(config, dataset, catalogue, seed), seed, run / "generator.partial", inputs
    )
    generator, rate = tuning.build(), products_a_second(precision_of(config))
    model: Any = generator.model
    parameters = sum(weight.numel() for weight in model.parameters())
    stages = []
    for place, stage in enumerate(config.stages):
        blocks = tuning.blocks(place, generator)
        steps = tuning.steps(place, blocks)
        tokens = min(steps * config.batch_size * config.gradient_accumulation * config.block_length, 2**62)
        model = enter(model, stage.train, config.lora, generator.vocabulary)
        trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        flops = tokens * parameters * (6 if stage.train == "full" else 4)
        stages.append(
            {
                "stage": stage.name,
                "steps": steps,
                "tokens": tokens,
                "epochs": round(tokens / blocks.tokens, 3),
                "parameters": parameters,
                "trained_parameters": trained,
                "least_minutes": round(flops / rate / 60, 2),
                "rows": preview(blocks.mixture, blocks.chat),
            }
        )
    return stages


def products_a_second(dtype: torch.dtype, size: int = 1024) -> float:
    """Return the floating-point operations a second of a product of large matrices, the best of three."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    left, right = (torch.randn(size, size, dtype=dtype, device=device) for _ in range(2))
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        (left @ right).sum().item()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best
