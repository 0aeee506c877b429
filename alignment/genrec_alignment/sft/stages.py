"""The stages of a tuning, run in order; each begins from what the stages before it left in files.

    generator.partial/1-warm-up/       checkpoints; trained.safetensors and done.json when the stage is over
    generator.partial/2-alignment/     …

A stage that begins reads the base again and lays on it what was learned, in float32. So frozen weights may be held
in bfloat16 while training, and a tuning that was cut off goes on exactly like one that was not.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedModel, set_seed
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from genrec.console import remark
from genrec.data import Dataset
from genrec.models import Generator
from genrec.processes import is_main_process, process_share, wait_for_all
from genrec_alignment.pretraining.checkpoints import checkpoint_to_resume
from genrec_alignment.pretraining.validation import Validation, validation_of
from genrec_alignment.sft.adapters import enter, hold_frozen_in, load_trained, save_trained
from genrec_alignment.sft.arguments import precision_of, stage_arguments
from genrec_alignment.sft.blocks import Blocks
from genrec_alignment.sft.checkpointing import WEIGHTS
from genrec_alignment.sft.config import StageConfig, TuneConfig
from genrec_alignment.sft.progress import StageProgress
from genrec_alignment.sft.trainer import TuneTrainer
from genrec_alignment.tasks import Mixture, TaskSource

DONE = "done.json"
Report = dict[str, Any]


@dataclass(frozen=True)
class Tuning:
    """The stages of one tuning.

    Args:
        config: the ``tune`` section.
        dataset: what is learned.
        build: makes the generator as it is before the first stage, the same at every call.
        seed: of LoRA's first matrices, of rows and of their order.
        partial: the folder of checkpoints and finished stages.
        work: what else a stage depends on: the inputs' digests.
    """

    config: TuneConfig
    dataset: Dataset
    build: Callable[[], Generator]
    seed: int
    partial: Path
    work: dict[str, Any]

    def run(self, resume: bool) -> list[Report]:
        """Run the stages that are not done yet; return what each came to."""
        reports = []
        for place, stage in enumerate(self.config.stages):
            done = self._done(place) if resume else None
            if done is None:
                remark(f"Stage {place + 1} of {len(self.config.stages)}: {stage.name} ({_TRAINED[stage.train]}).")
                done = self._train(place, stage, resume)
            reports.append(done)
        return reports

    def learned(self, stages: int) -> tuple[Generator, PreTrainedModel | PeftModel]:
        """Return the generator and its model with what the first ``stages`` stages learned, in float32."""
        set_seed(self.seed)
        generator = self.build()
        model: PreTrainedModel | PeftModel = generator.model
        for place in range(stages):
            model = self._enter(model, self.config.stages[place], generator)
            load_trained(model, self._folder(place) / WEIGHTS)
        return generator, model

    def blocks(self, place: int, generator: Generator) -> Blocks:
        """Return the blocks of a stage."""
        assert generator.language is not None
        tasks, seed = self.config.stages[place].tasks, self.seed + place
        source = TaskSource.of(self.dataset, generator.catalogue, tasks, self.config.history_length)
        return Blocks(Mixture.of(tasks, source, seed), generator.language.chat, self.config.block_length, seed)

    def steps(self, place: int, blocks: Blocks) -> int:
        """Return how many steps a stage takes."""
        stage, (_, processes) = self.config.stages[place], process_share()
        a_step = self.config.batch_size * self.config.gradient_accumulation * processes
        return stage.steps or blocks.steps(stage.epochs or 1, a_step)

    @cached_property
    def _validation(self) -> Validation:
        return validation_of(self.dataset, self.config.validation_users, self.seed)

    def _train(self, place: int, stage: StageConfig, resume: bool) -> Report:
        generator, before = self.learned(place)
        model = self._enter(before, stage, generator)
        trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        if precision_of(self.config) == torch.bfloat16:
            hold_frozen_in(model, torch.bfloat16)
        blocks = self.blocks(place, generator)
        trainer = self._trainer(place, generator, model, blocks)
        checkpoint = checkpoint_to_resume(self._folder(place), self._work(place), resume, trainer)
        started = time.monotonic()
        trainer.train(resume_from_checkpoint=checkpoint)
        wait_for_all()  # every process has read the best checkpoint before the first one removes it
        state, final = trainer.state, trainer.accelerator.unwrap_model(trainer.model)
        report = {
            "stage": stage.name,
            "trained_parameters": trained,
            "steps": state.global_step,
            "tokens": int(state.num_input_tokens_seen),
            "seconds": round(time.monotonic() - started, 1),
            "epochs": round(state.num_input_tokens_seen / blocks.tokens, 3),
            "best_metric": state.best_metric,
            "log": state.log_history,
        }
        if is_main_process():
            self._finish(place, final, report)
        wait_for_all()
        return report

    def _trainer(
        self, place: int, generator: Generator, model: PreTrainedModel | PeftModel, blocks: Blocks
    ) -> TuneTrainer:
        stage = self.config.stages[place]
        validation = self._validation if stage.validate_every else None
        trainer = TuneTrainer(
            model,
            generator,
            validation,
            self.config,
            train_dataset=blocks.stream(),
            eval_dataset=validation,
            args=stage_arguments(
                self.config,
                stage,
                self.steps(place, blocks),
                self.seed + place,
                self._folder(place),
                validation.metric if validation else None,
            ),
        )
        for callback in (ProgressCallback, PrinterCallback):
            trainer.remove_callback(callback)
        trainer.add_callback(StageProgress)
        return trainer

    def _enter(
        self, model: PreTrainedModel | PeftModel, stage: StageConfig, generator: Generator
    ) -> PreTrainedModel | PeftModel:
        return enter(model, stage.train, self.config.lora, generator.vocabulary)

    def _folder(self, place: int) -> Path:
        return self.partial / f"{place + 1}-{self.config.stages[place].name}"

    def _work(self, place: int) -> dict[str, Any]:
        """Return all that the outcome of a stage depends on: the stages up to it, not those after."""
        settings = self.config.model_dump(mode="json")
        settings["stages"] = settings["stages"][: place + 1]
        return settings | self.work | {"seed": self.seed, "processes": process_share()[1]}

    def _mark(self, place: int) -> str:
        return hashlib.sha256(json.dumps(self._work(place), sort_keys=True).encode()).hexdigest()

    def _done(self, place: int) -> Report | None:
        file = self._folder(place) / DONE
        if not file.is_file() or not (file.parent / WEIGHTS).is_file():
            return None
        report = json.loads(file.read_text(encoding="utf-8"))
        return report if report.pop("work") == self._mark(place) else None

    def _finish(self, place: int, model: torch.nn.Module, report: Report) -> None:
        folder = self._folder(place)
        save_trained(model, folder / WEIGHTS)
        draft = folder / f".{DONE}"
        draft.write_text(json.dumps(report | {"work": self._mark(place)}) + "\n", encoding="utf-8")
        draft.replace(folder / DONE)
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint, ignore_errors=True)


_TRAINED = {"new_tokens": "the SID tokens' vectors alone", "lora": "SID tokens and LoRA", "full": "all weights"}
