"""From rationales to a generator that says of itself that it thinks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genrec.decoding.think import ThinkingConfig, ThoughtForm
from genrec.decoding.think.recommender import ThinkingRecommender
from genrec.errors import ArtifactError
from genrec.models import Generator
from genrec_alignment.reasoning import RationaleConfig
from genrec_alignment.reasoning.make import make_rationales
from genrec_alignment.reasoning.tuned import rationale_inputs, save_form
from genrec_alignment.sft.config import TuneConfig
from genrec_alignment.sft.make import make_tuned_generator
from tests.alignment.reasoning.test_rationales import write_run
from tests.models.language.tiny import tiny_generator, write_base


def test_a_tuning_on_rationales_makes_a_generator_that_thinks(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    tasks = {"weights": {"reason": 1, "continue_history": 1}, "rows": 8}
    settings = {
        "model": {"base": str(write_base(tmp_path / "base"))},
        "history_length": 5,
        "stages": [{"name": "reasoning", "train": "new_tokens", "tasks": tasks, "steps": 2}],
        "block_length": 512,
        "precision": "float32",
        "perplexity_passages": 0,
    }
    config = TuneConfig.model_validate(settings)
    with pytest.raises(ArtifactError, match="genrec think rationales --run"):
        make_tuned_generator(config, run, seed=0)
    rationales = make_rationales(RationaleConfig(), run, 0)
    manifest = make_tuned_generator(config, run, seed=0)
    assert manifest.inputs["rationales"] == rationales.digest
    form = ThoughtForm.load(run / "generator")
    assert form is not None
    generator = Generator.from_pretrained(run / "generator")
    found = ThinkingRecommender(generator, ThinkingConfig(tokens=4), form).recommend([np.array([0, 1])], k=3)
    assert (found.ranking.items >= 0).all()
    make_rationales(RationaleConfig(rows=2), run, 1)
    assert rationale_inputs(run, [{"reason": 1.0}]) != {"rationales": rationales.digest}  # so it is tuned again


def test_a_tuning_without_rationales_says_nothing(tmp_path: Path) -> None:
    weights = [{"continue_history": 1.0}, {"reason": 0.0}]
    save_form(tiny_generator(tmp_path / "base"), weights, tmp_path)
    assert ThoughtForm.load(tmp_path) is None
    assert rationale_inputs(tmp_path, weights) == {}
