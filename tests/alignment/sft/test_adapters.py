"""LoRA and trained rows: what is merged computes what was trained, for tied and untied embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel

from genrec.models import Generator, LanguageConfig, build_generator
from genrec_alignment.sft.adapters import adapt, enter, hold_frozen_in, load_trained, merged, save_trained
from genrec_alignment.sft.config import LoraSettings
from tests.models.language.tiny import tiny_catalogue, write_base

LORA = LoraSettings(rank=4, alpha=8)


def _generator(folder: Path, tied: bool, spare: int = 0) -> Generator:
    base = write_base(folder, tied=tied, spare=spare)
    return build_generator(LanguageConfig(base=str(base)), tiny_catalogue(), 6)


def _disturb(model: torch.nn.Module) -> None:
    """Change everything that learns, as training would."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.3 * torch.randn_like(weight))


def _log_probabilities(model: torch.nn.Module, generator: Generator) -> torch.Tensor:
    ids = torch.tensor([generator.prompt(np.arange(4))[-30:]])
    with torch.no_grad():
        return model(input_ids=ids).logits.log_softmax(-1)


@pytest.mark.parametrize("train", ["lora", "new_tokens"])
@pytest.mark.parametrize("spare", [0, 40])
@pytest.mark.parametrize("tied", [True, False])
def test_merging_keeps_the_log_probabilities(tmp_path: Path, tied: bool, spare: int, train: str) -> None:
    generator = _generator(tmp_path, tied, spare)
    untrained = _log_probabilities(generator.model, generator)
    model = enter(generator.model, train, LORA, generator.vocabulary)  # type: ignore[arg-type]
    assert torch.allclose(_log_probabilities(model, generator), untrained, atol=1e-5)
    _disturb(model)
    trained = _log_probabilities(model, generator)
    assert (trained - untrained).abs().max() > 0.1
    whole = merged(model)
    assert not isinstance(whole, PeftModel)
    assert torch.allclose(_log_probabilities(whole, generator), trained, atol=1e-4)
    assert (whole.get_input_embeddings().weight is whole.get_output_embeddings().weight) == tied

    whole.save_pretrained(tmp_path / "merged")
    loaded = type(whole).from_pretrained(tmp_path / "merged")
    assert torch.allclose(_log_probabilities(loaded, generator), trained, atol=1e-4)


@pytest.mark.parametrize("tied", [True, False])
def test_only_the_rows_of_sid_tokens_change(tmp_path: Path, tied: bool) -> None:
    generator = _generator(tmp_path, tied, spare=40)
    before = {name: weight.detach().clone() for name, weight in generator.model.named_parameters()}
    model = enter(generator.model, "new_tokens", LORA, generator.vocabulary)
    _disturb(model)
    first, last = generator.vocabulary.first, generator.vocabulary.size
    for name, weight in merged(model).named_parameters():
        if name not in ("model.embed_tokens.weight", "lm_head.weight"):
            assert torch.equal(weight, before[name]), name
            continue
        assert torch.equal(weight[:first], before[name][:first])
        assert torch.equal(weight[last:], before[name][last:])
        assert not torch.isclose(weight[first:last], before[name][first:last]).all(dim=1).any()


@pytest.mark.parametrize("tied", [True, False])
def test_the_rows_get_the_gradient_that_the_whole_table_would(tmp_path: Path, tied: bool) -> None:
    """peft's own layer copies the table; ours does not, and computes the same."""
    generator = _generator(tmp_path, tied)
    ids = torch.tensor([generator.prompt(np.arange(5))[-40:]])
    whole = generator.model.requires_grad_(True)
    whole(input_ids=ids, labels=ids).loss.backward()
    first, last = generator.vocabulary.first, generator.vocabulary.size
    read, written = (
        table.weight.grad.clone()[first:last]
        for table in (whole.get_input_embeddings(), whole.get_output_embeddings())
    )
    whole.zero_grad()
    model = enter(whole, "new_tokens", LORA, generator.vocabulary)
    model(input_ids=ids, labels=ids).loss.backward()
    grads = [weight.grad for weight in model.parameters() if weight.requires_grad]
    assert len(grads) == (1 if tied else 2)
    assert torch.allclose(grads[0], read, atol=1e-6)
    assert torch.allclose(grads[-1], written, atol=1e-6)


def test_frozen_weights_in_bfloat16_leave_what_learns_in_float32(tmp_path: Path) -> None:
    generator = _generator(tmp_path, tied=True)
    model = enter(generator.model, "new_tokens", LORA, generator.vocabulary)
    hold_frozen_in(model, torch.bfloat16)
    for name, weight in model.named_parameters():
        ours = "lora_" in name or "trainable_tokens" in name
        assert weight.dtype == (torch.float32 if ours else torch.bfloat16), name


def test_what_was_learned_is_read_back_by_name(tmp_path: Path) -> None:
    generator = _generator(tmp_path / "base", tied=True)
    model = enter(generator.model, "lora", LORA, generator.vocabulary)
    _disturb(model)
    save_trained(model, tmp_path / "trained.safetensors")
    again = _generator(tmp_path / "base", tied=True)
    other = enter(again.model, "lora", LORA, again.vocabulary)
    load_trained(other, tmp_path / "trained.safetensors")
    assert torch.equal(_log_probabilities(other, again), _log_probabilities(model, generator))
    with pytest.raises(ValueError, match="other weights"):
        load_trained(enter(other, "new_tokens", LORA, again.vocabulary), tmp_path / "trained.safetensors")


def test_the_adapter_without_the_warm_up_is_computed_only_when_it_learns(tmp_path: Path) -> None:
    generator = _generator(tmp_path, tied=True)
    model = adapt(generator.model, LORA, generator.vocabulary)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.5)
    off = _log_probabilities(enter(model, "new_tokens", LORA, generator.vocabulary), generator)
    on = _log_probabilities(enter(model, "lora", LORA, generator.vocabulary), generator)
    assert not torch.allclose(off, on)
