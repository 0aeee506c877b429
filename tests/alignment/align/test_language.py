"""A language model is aligned through LoRA, which is merged into what is kept."""

from __future__ import annotations

import json
from pathlib import Path

from genrec.models import Generator
from genrec_alignment.align.make import make_alignment
from genrec_alignment.sft.config import TuneConfig
from genrec_alignment.sft.make import make_tuned_generator
from tests.alignment.align.conftest import settings
from tests.models.language.tiny import write_base


def test_a_language_model_learns_through_lora(run: Path, tmp_path: Path) -> None:
    write_base(tmp_path / "base", tied=True)
    stage = {"name": "items", "tasks": {"weights": {"continue_history": 1}}, "steps": 2, "learning_rate": 0.01}
    tune = {
        "model": {"base": str(tmp_path / "base")},
        "history_length": 5,
        "stages": [stage],
        "block_length": 256,
        "precision": "float32",
        "perplexity_passages": 0,
    }
    make_tuned_generator(TuneConfig.model_validate(tune), run, 0)
    before = Generator.from_pretrained(run / "generator", device="cpu").model.state_dict()
    tolerant = {"least_gain": 0.0, "tolerance": 1.0}
    make_alignment(settings(passes=0.3, dpo_share=0.2, learning_rate=0.02, accept=tolerant), run, 0)
    report = json.loads((run / "align" / "results.json").read_text(encoding="utf-8"))["rounds"][1]
    assert report["training"]["pairs"] > 0
    assert report["figures"]["kl"] > 1e-4
    if report["accepted"]:
        after = Generator.from_pretrained(run / "align" / "generator", device="cpu").model.state_dict()
        assert after.keys() == before.keys()
