"""OneRec models as Hugging Face models: saved, loaded, found by the Auto classes, checkpointed, kernels chosen."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModel

from genrec.models.onerec import OneRecBase
from genrec.models.onerec.moe import SparseMoE, expert_loads, update_balance
from tests.models.tiny_models import SHAPES, loss_of, random_histories, random_sessions, tiny_model

every_model = pytest.mark.parametrize("name", SHAPES)

FRESH = """
import sys
from pathlib import Path
import torch
from safetensors.torch import load_file
from transformers import AutoModel
from genrec.models.onerec import OneRecLazyModel, OneRecModel  # importing them makes them known to AutoModel

for folder in sorted(Path(sys.argv[1]).iterdir()):
    model = AutoModel.from_pretrained(folder)
    fed = load_file(folder / "fed.safetensors")
    loss = fed.pop("loss")
    with torch.no_grad():
        assert torch.equal(model(**fed).loss, loss), folder
    print(type(model).__name__)
"""


@every_model
def test_saved_and_loaded_is_the_same_bit_for_bit(name: str, tmp_path: Path) -> None:
    model = tiny_model(name)
    for block in (module for module in model.modules() if isinstance(module, SparseMoE)):
        block.bias.uniform_(-1, 1)
    model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert type(loaded) is type(model)
    assert loaded.state_dict().keys() == model.state_dict().keys()
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    history, targets = random_histories([3, 0, 5]), random_sessions(3, 1, 2)
    assert torch.equal(loss_of(loaded, history, targets)[0], loss_of(model, history, targets)[0])


@every_model
def test_configuration_survives_the_file(name: str, tmp_path: Path) -> None:
    config = tiny_model(name).config
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is type(config)
    assert loaded.to_dict() | {"_name_or_path": ""} == config.to_dict()
    assert type(SHAPES[name]).model_validate(loaded.shape) == SHAPES[name]


def test_a_fresh_process_gives_the_same_losses(tmp_path: Path) -> None:
    history, targets = random_histories([3, 0, 5]), random_sessions(3, 1, 2)
    fed = {"history_codes": history.codes, "history_rows": history.rows, "history_features": history.features}
    fed |= {"history_mask": history.mask, "target_codes": targets}
    for name in SHAPES:
        model = tiny_model(name)
        model.save_pretrained(tmp_path / name)
        loss, _ = loss_of(model, history, targets)
        save_file(fed | {"loss": loss.detach()}, tmp_path / name / "fed.safetensors")
    done = subprocess.run([sys.executable, "-c", FRESH, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [type(tiny_model(name)).__name__ for name in sorted(SHAPES)]


def _gradients(model: OneRecBase) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    model.zero_grad()
    loss_of(model, random_histories([4, 6]), random_sessions(2, 1, 2))[0].backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@every_model
def test_checkpointed_gradients_are_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model(name, dropout=0.1).train()
    plain = _gradients(model)
    model.gradient_checkpointing_enable()
    passes: list[int] = []
    feed = model.layers[0].feed_norm
    original = feed.forward
    monkeypatch.setattr(feed, "forward", lambda states: (passes.append(1), original(states))[1])
    again = _gradients(model)
    assert len(passes) == 2  # the second one is the recomputation
    assert plain.keys() == again.keys()
    for key, value in plain.items():
        torch.testing.assert_close(again[key], value)


@every_model
def test_every_parameter_is_learned(name: str) -> None:
    model = tiny_model(name).train()
    gradients = _gradients(model)
    idle = {key for key, _ in model.named_parameters() if key not in gradients or not gradients[key].any()}
    assert idle == set()


@every_model
def test_kernels_agree(name: str, tmp_path: Path) -> None:
    model = tiny_model(name)
    model.save_pretrained(tmp_path)
    history, targets = random_histories([4, 0, 7]), random_sessions(3, 1, 3)
    losses = []
    for kernel in ("eager", "sdpa"):
        chosen = AutoModel.from_pretrained(tmp_path, attn_implementation=kernel)
        assert chosen.config._attn_implementation == kernel
        losses.append(loss_of(chosen, history, targets)[0])
    torch.testing.assert_close(*losses)


def test_the_chosen_kernel_is_the_one_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from genrec.models.onerec import attention

    calls: list[int] = []
    original = attention.eager_attention
    monkeypatch.setattr(attention, "eager_attention", lambda *a, **k: (calls.append(1), original(*a, **k))[1])
    model = tiny_model("encoder_decoder")
    for kernel, expected in (("sdpa", 0), ("eager", 2 + 2 * 2)):  # encoder blocks; two attentions a decoder block
        model.set_attn_implementation(kernel)
        calls.clear()
        loss_of(model, random_histories([3]), random_sessions(1, 1, 1))
        assert len(calls) == expected


@every_model
def test_half_precision_is_near(name: str, tmp_path: Path) -> None:
    model = tiny_model(name)
    model.save_pretrained(tmp_path)
    half = AutoModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
    history, targets = random_histories([4, 2]), random_sessions(2, 1, 2)
    exact, _ = loss_of(model, history, targets)
    rough, _ = loss_of(half, history, targets)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.1, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(loss_of(model, history, targets)[0], exact, rtol=0.1, atol=0)


def test_new_weights_have_the_configured_spread() -> None:
    model = tiny_model("experts")
    for name, weight in model.named_parameters():
        if "norm" in name:
            assert torch.equal(weight, torch.ones_like(weight)), name
        elif weight.numel() > 200:
            assert weight.std().item() == pytest.approx(0.3, rel=0.2), name
    assert not model.events.items.weight[0].any()  # the row of items the model was not trained on


def test_expert_loads_are_named_by_their_layer() -> None:
    model = tiny_model("experts").train()
    assert expert_loads(model) == {}
    loss_of(model, random_histories([3]), random_sessions(1, 1, 1))
    update_balance(model)
    assert list(expert_loads(model)) == [
        f"{where}.{layer}.feed_forward" for where in ("encoder.layers", "layers") for layer in (0, 1)
    ]
