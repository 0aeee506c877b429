"""Tuning end to end on a tiny base: what it writes serves alone, and it can be cut off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from peft import PeftModel

from genrec.decoding import Recommender
from genrec.models import Generator
from genrec_alignment.sft.make import make_tuned_generator
from tests.alignment.sft.worlds import make_world, tiny_config


def test_a_tuned_generator_serves_alone_and_keeps_its_adapter(tmp_path: Path) -> None:
    run = make_world(tmp_path)
    manifest = make_tuned_generator(tiny_config(tmp_path), run, seed=0)
    folder = run / "generator"
    assert not (run / "generator.partial").exists()
    assert {file.suffix for file in folder.rglob("*") if file.is_file()} <= {
        ".json",
        ".safetensors",
        ".md",
        ".jinja",
        ".parquet",
    }
    details = manifest.details
    assert [stage["stage"] for stage in details["stages"]] == ["warm-up", "items"]
    assert details["stages"][0]["trained_parameters"] == 11 * 16
    assert details["tokens"] > 1000
    assert details["perplexity_before"] != details["perplexity_after"]
    assert 0 <= details["best_validation_ndcg@10"] <= 1
    card = (folder / "README.md").read_text()
    assert "30 items" in card

    history = [np.array([4, 5, 6])]
    ranking = Recommender.from_pretrained(folder).recommend(history, k=5, exclude=history)
    assert set(ranking.items[0]) <= set(range(30)) - {4, 5, 6}

    again = make_tuned_generator(tiny_config(tmp_path), run, seed=0)
    assert again.created == manifest.created
    _the_adapter_gives_the_merged_model(tmp_path, folder)


def _the_adapter_gives_the_merged_model(tmp_path: Path, folder: Path) -> None:
    from genrec.models import LanguageConfig, build_generator

    generator = Generator.from_pretrained(folder)
    base = build_generator(LanguageConfig(base=str(tmp_path / "base")), generator.catalogue, 5).model
    adapted = PeftModel.from_pretrained(base, str(folder / "adapter"))
    ids = torch.tensor([generator.prompt(np.arange(4))])
    assert generator.language is not None
    padding = generator.language.tokenizer.pad_token_id  # drawn anew with every base, and read by nobody
    with torch.no_grad():
        here, there = adapted(ids).logits, generator.model(ids).logits
    here[..., padding] = there[..., padding]
    assert torch.allclose(here, there, atol=1e-4)


def test_a_model_held_in_bfloat16_is_validated_too(tmp_path: Path) -> None:
    """Frozen weights in bfloat16 beside LoRA in float32 multiply only under autocast, as in the training step."""
    config = tiny_config(tmp_path, precision="bfloat16", perplexity_passages=0)
    details = make_tuned_generator(config, make_world(tmp_path), seed=0).details
    assert 0 <= details["best_validation_ndcg@10"] <= 1
