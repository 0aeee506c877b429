"""Tune a language model: from a dataset and semantic IDs to a generator's folder that serves alone."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from genrec.console import remark
from genrec.data import Dataset
from genrec.models import Generator, build_generator
from genrec.processes import is_main_process, wait_for_all
from genrec.runs import Manifest, is_current, new_artifact, open_artifact
from genrec.semantic_ids import Catalogue
from genrec_alignment.pretraining.card import write_card
from genrec_alignment.pretraining.make import LOG_NAME, open_inputs, prepare_trackers
from genrec_alignment.reasoning.tuned import rationale_inputs, save_form
from genrec_alignment.sft.adapters import merged
from genrec_alignment.sft.config import TuneConfig
from genrec_alignment.sft.stages import Report, Tuning
from genrec_alignment.tasks import perplexity, plain_texts
from genrec_alignment.tasks.texts import item_texts

ADAPTER = "adapter"


def make_tuned_generator(
    config: TuneConfig, run: Path, seed: int, *, resume: bool = False, force: bool = False
) -> Manifest:
    """Tune a language model on ``run``'s dataset and semantic IDs, and write ``run/generator``.

    Checkpoints and finished stages lie in ``run/generator.partial`` until the generator is complete. Under
    ``accelerate launch`` every process calls this; the first one writes.

    Args:
        config: the ``tune`` section.
        run: the run folder.
        seed: of every random choice.
        resume: go on where an interrupted tuning with the same settings was cut off.
        force: tune again even if the generator is current.

    Raises:
        MissingPackageError: if a tracker or the base's package is not installed.
        ArtifactError: if the dataset, the semantic IDs or the base are missing or do not belong together.
        DataError: if the dataset lacks what a task needs, or has no validation part where a stage validates.
    """
    dataset, catalogue, inputs = open_inputs(run)
    inputs |= rationale_inputs(run, (stage.tasks.weights for stage in config.stages))
    prepare_trackers(config.report_to, run)
    target, settings = run / "generator", config.model_dump(mode="json") | {"seed": seed}
    if not force and is_current(target, "generator", settings, inputs):
        remark(f"{target} is up to date.")
        return open_artifact(target, "generator")
    tuning = Tuning(
        config, dataset, builder(config, dataset, catalogue, seed), seed, run / "generator.partial", inputs
    )
    started = time.monotonic()
    reports = tuning.run(resume)
    if is_main_process():
        _write(tuning, reports, target, settings, inputs, time.monotonic() - started)
        shutil.rmtree(tuning.partial, ignore_errors=True)
    wait_for_all()
    return open_artifact(target, "generator")


def builder(config: TuneConfig, dataset: Dataset, catalogue: Catalogue, seed: int) -> Callable[[], Generator]:
    """Return what makes the generator as it is before any stage."""
    tasks = config.stages[0].tasks
    texts = item_texts(dataset.items, tasks.categories, tasks.description, tasks.description_words)
    descriptions = [texts.description(item) for item in range(len(catalogue))]

    def build() -> Generator:
        return build_generator(
            config.model,
            catalogue,
            config.history_length,
            descriptions=descriptions,
            seed=seed,
            dtype=torch.float32,
        )

    return build


def _write(
    tuning: Tuning,
    reports: list[Report],
    target: Path,
    settings: dict[str, Any],
    inputs: dict[str, str],
    seconds: float,
) -> None:
    with new_artifact(target, "generator", settings, inputs, tuning.seed) as draft:
        draft.earlier_seconds = seconds
        untrained, _ = tuning.learned(0)
        before = _perplexity(tuning.config, untrained)
        generator, model = tuning.learned(len(reports))
        if isinstance(model, PeftModel) and not any(stage.train == "full" for stage in tuning.config.stages):
            model.save_pretrained(str(draft.path / ADAPTER), save_embedding_layers=False)
        generator = replace(generator, model=merged(model).eval())
        generator.save_pretrained(draft.path)
        save_form(generator, (stage.tasks.weights for stage in tuning.config.stages), draft.path)
        draft.details = _details(generator, reports) | {
            "perplexity_before": before,
            "perplexity_after": _perplexity(tuning.config, generator),
        }
        log = {"log": [{"stage": report["stage"], **entry} for report in reports for entry in report["log"]]}
        (draft.path / LOG_NAME).write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")
        write_card(draft.path, generator, settings, draft.details)


def _details(generator: Generator, reports: list[Report]) -> dict[str, Any]:
    seconds = sum(report["seconds"] for report in reports)
    tokens = sum(report["tokens"] for report in reports)
    return {
        "parameters": sum(weight.numel() for weight in generator.model.parameters()),
        "trained_parameters": max(report["trained_parameters"] for report in reports),
        "steps": sum(report["steps"] for report in reports),
        "epochs": round(sum(report["epochs"] for report in reports), 2),
        "tokens": tokens,
        "minutes": round(seconds / 60, 2),
        "tokens_per_second": round(tokens / max(seconds, 1e-9), 1),
        "best_validation_ndcg@10": next(
            (r["best_metric"] for r in reversed(reports) if r["best_metric"] is not None), None
        ),
        "stages": [{name: value for name, value in report.items() if name != "log"} for report in reports],
    }


def _perplexity(config: TuneConfig, generator: Generator) -> float | None:
    """Return the perplexity of held-out plain text, of the last stage that replays some or of the bundled one."""
    if not config.perplexity_passages:
        return None
    assert generator.language is not None
    path = next((stage.tasks.plain_text for stage in config.stages if stage.tasks.plain_text), None)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator.model.to(device)  # type: ignore[arg-type]  # transformers wraps torch's method without its types
    texts = plain_texts(path, held_out=True)[: config.perplexity_passages]
    value = round(perplexity(generator.model, generator.language.chat, texts), 3)
    generator.model.to("cpu")  # type: ignore[arg-type]
    return value
