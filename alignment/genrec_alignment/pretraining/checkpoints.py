"""Checkpoints of an interrupted training: which one to go on from."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from transformers import Trainer
from transformers.trainer_utils import get_last_checkpoint

from genrec.console import remark


def checkpoint_to_resume(partial: Path, work: dict[str, Any], resume: bool, trainer: Trainer) -> str | None:
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
