"""Adapters: DARE against hand calculation, training on a domain's texts, and folders that peft loads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoTokenizer, LlamaForCausalLM

from genrec.errors import ArtifactError
from genrec_alignment.loid.adapters import (
    load_adapter,
    merge_adapters,
    new_adapter,
    padded,
    save_adapter,
    save_merged,
    train_adapter,
)
from genrec_alignment.loid.config import AdapterConfig
from genrec_alignment.loid.domains import DomainTexts
from tests.alignment.tiny_language import write_tiny_language

CONFIG = AdapterConfig(rank=2, alpha=4, max_tokens=16, batch_size=4, learning_rate=0.1, epochs=4)
MAP = "model.layers.0.mlp.gate_proj"
SCALE = 2.0  # alpha / rank


def _base(folder: Path) -> LlamaForCausalLM:
    return LlamaForCausalLM.from_pretrained(folder)


def _delta(model: PeftModel, name: str) -> Tensor:
    return model.get_base_model().get_submodule(MAP).get_delta_weight(name)


@pytest.fixture
def adapters(tiny_base: Path, tmp_path: Path) -> list[Path]:
    """Two adapters whose matrices were drawn, so that they change something."""
    folders = []
    for seed in (1, 2):
        model = new_adapter(_base(tiny_base), CONFIG, seed)
        torch.manual_seed(seed)
        for name, weight in model.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight)
        save_adapter(model, tmp_path / str(seed))
        folders.append(tmp_path / str(seed))
    return folders


def _deltas(base: Path, folders: list[Path]) -> list[Tensor]:
    return [_delta(load_adapter(_base(base), folder), "default") for folder in folders]


def _merged(base: Path, folders: list[Path], seed: int = 0, p: float = 0.5, rank: int = 16) -> Tensor:
    # With full rank nothing is cut off, so that what DARE made can be seen.
    return _delta(merge_adapters(_base(base), folders, "dare_linear_svd", p, rank, seed), "merged")


def test_every_change_is_dropped_or_divided_by_what_stays(tiny_base: Path, adapters: list[Path]) -> None:
    (change,) = _deltas(tiny_base, adapters[:1])
    merged = _merged(tiny_base, adapters[:1], p=0.75)
    factor = merged / change
    dropped = factor.abs() < 1e-3
    torch.testing.assert_close(factor[~dropped], torch.full_like(factor[~dropped], 4.0), rtol=1e-3, atol=1e-3)
    assert dropped.float().mean() == pytest.approx(0.75, abs=0.07)  # three deviations of 24 × 16 draws


def test_two_domains_are_dropped_apart_and_added(tiny_base: Path, adapters: list[Path]) -> None:
    one, two = _deltas(tiny_base, adapters)
    merged = _merged(tiny_base, adapters)
    kept = [torch.zeros_like(one), 2 * one, 2 * two, 2 * one + 2 * two]
    differences = torch.stack([(merged - each).abs() for each in kept])
    torch.testing.assert_close(differences.min(dim=0).values, torch.zeros_like(one), rtol=0, atol=1e-3)
    shares = torch.bincount(differences.argmin(dim=0).flatten(), minlength=4) / one.numel()
    torch.testing.assert_close(shares, torch.full((4,), 0.25), rtol=0, atol=0.07)


def test_what_is_expected_of_a_merge_is_the_sum_of_the_changes(tiny_base: Path, adapters: list[Path]) -> None:
    one, two = _deltas(tiny_base, adapters)
    wanted = (one + two).flatten()
    draws = [_merged(tiny_base, adapters, seed=seed).flatten() for seed in range(6)]
    slope = torch.stack(draws).mean(dim=0) @ wanted / (wanted @ wanted)
    assert slope.item() == pytest.approx(1.0, abs=0.12)  # without rescaling it were 0.5


def test_the_seed_decides_what_is_dropped(tiny_base: Path, adapters: list[Path]) -> None:
    base, state = _base(tiny_base), torch.get_rng_state()
    first = _delta(merge_adapters(base, adapters, "dare_linear_svd", 0.5, 16, seed=0), "merged")
    assert torch.equal(torch.get_rng_state(), state), "the caller's random state is left alone"
    assert torch.equal(_merged(tiny_base, adapters), first)
    assert not torch.equal(_merged(tiny_base, adapters, seed=1), first)


@pytest.mark.parametrize("method", ["dare_linear", "dare_ties", "dare_linear_svd", "dare_ties_svd"])
def test_every_merge_keeps_the_rank_and_is_loaded_by_peft(
    method: str, tiny_base: Path, adapters: list[Path], tmp_path: Path
) -> None:
    model = merge_adapters(_base(tiny_base), adapters, method, 0.5, CONFIG.rank, seed=0)  # type: ignore[arg-type]
    save_merged(model, tmp_path / "merged")
    assert sorted(file.name for file in (tmp_path / "merged").iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors"
    ]  # fmt: skip
    again = load_adapter(_base(tiny_base), tmp_path / "merged")
    assert again.peft_config["default"].r == CONFIG.rank
    torch.testing.assert_close(_delta(again, "default"), _delta(model, "merged"))
    assert _delta(again, "default").abs().max() > 0


def test_the_sum_is_cut_back_to_the_best_of_its_rank(tiny_base: Path, adapters: list[Path]) -> None:
    one, two = _deltas(tiny_base, adapters)
    left, values, right = torch.linalg.svd(one + two, full_matrices=False)
    best = left[:, :2] * values[:2] @ right[:2]
    torch.testing.assert_close(_merged(tiny_base, adapters, p=1e-7, rank=2), best, rtol=1e-3, atol=1e-3)


def test_an_adapter_learns_the_texts_and_the_base_stays(tiny_base: Path, tmp_path: Path) -> None:
    base, tokenizer = _base(tiny_base), AutoTokenizer.from_pretrained(tiny_base)
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    texts = DomainTexts([f"oil {at}" for at in range(20)], [f"oil {at}" for at in range(20, 24)])
    figures = train_adapter(new_adapter(base, CONFIG, 0), tokenizer, texts, CONFIG, 0, tmp_path)
    assert figures["texts"] == 20
    assert figures["loss_after"] < figures["loss_before"] - 0.2
    after = {
        name.replace(".base_layer", ""): weight for name, weight in base.state_dict().items() if "lora" not in name
    }
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_a_fresh_adapter_changes_nothing(tiny_base: Path) -> None:
    base = _base(tiny_base)
    ids = torch.arange(5)[None]
    before = base(ids).logits
    torch.testing.assert_close(new_adapter(base, CONFIG, 0)(ids).logits, before)


def test_padding_is_masked_and_not_learned() -> None:
    batch = padded([{"input_ids": [5, 6, 7]}, {"input_ids": [8]}])
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [[5, 6, 7], [8, -100, -100]]


def test_an_adapter_of_another_model_is_refused(adapters: list[Path], tmp_path: Path) -> None:
    other = write_tiny_language(tmp_path / "other", hidden_size=32)
    with pytest.raises(ArtifactError, match="does not fit the language model"):
        load_adapter(_base(other), adapters[0])
