"""The lean forward pass against transformers' own, and the models that it leaves to transformers."""

from __future__ import annotations

import numpy as np
import peft
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.cache_utils import DynamicCache

from genrec.decoding.lean_qwen3 import LeanQwen3
from genrec.decoding.passes import Pass, TransformersPass, pass_of
from genrec.decoding.prompts import batch_prompts
from genrec.decoding.tree_mask import with_itself
from tests.decoding.worlds import config_of, model_of

VOCABULARY, WIDTH = 30, 6
CPU = torch.device("cpu")


def qwen3(**settings: object) -> PreTrainedModel:
    """Return a random model whose configuration is changed a little, its norms' weights not all one."""
    config = config_of("qwen3", VOCABULARY)
    config.update(settings)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name or "bias" in name:
                weight.add_(0.3 * torch.randn_like(weight))
    return model


def run(one: Pass, lengths: list[int]) -> list[torch.Tensor]:
    """Return the logits after prompts and after two levels of beams, and the keys and values that are looked at."""
    rng, cache = np.random.default_rng(0), DynamicCache()
    batch = batch_prompts([rng.integers(VOCABULARY, size=length) for length in lengths], CPU, VOCABULARY, 40)
    with torch.no_grad():
        found = [one.prefill(batch, cache)]
        seen = batch.mask[:, None].expand(-1, WIDTH, -1)
        for level in range(2):
            tokens = torch.from_numpy(rng.integers(VOCABULARY, size=(len(lengths), WIDTH)))
            seen = with_itself(seen)
            found.append(one.extend(tokens, (batch.lengths + level)[:, None].expand(-1, WIDTH), seen, cache))
    real = torch.cat([batch.mask, batch.mask.new_ones(len(lengths), 2 * WIDTH)], dim=1)[:, None, :, None]
    for layer in cache.layers:
        found += [layer.keys * real, layer.values * real]
    return found


@pytest.mark.parametrize("lengths", [[7], [5, 5, 5], [9, 1, 4]])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_key_value_heads": 4},
        {"tie_word_embeddings": False, "attention_bias": True},
        {"num_hidden_layers": 1, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
    ],
)
def test_it_computes_what_transformers_computes(settings: dict, lengths: list[int]) -> None:
    model = qwen3(**settings)
    assert isinstance(pass_of(model), LeanQwen3)
    for lean, own in zip(run(pass_of(model), lengths), run(TransformersPass(model), lengths), strict=True):
        torch.testing.assert_close(lean, own, rtol=0, atol=1e-5)


def test_what_is_trained_further_or_moved_is_run_as_it_is_now() -> None:
    model = qwen3()
    lean = pass_of(model)
    before = run(lean, [4, 2])
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.5)
    after = run(lean, [4, 2])
    assert (after[0] - before[0]).abs().max() > 0.1
    torch.testing.assert_close(after, run(TransformersPass(model), [4, 2]), rtol=0, atol=1e-4)
    model.bfloat16()
    halves, own = run(lean, [4, 2])[0], run(TransformersPass(model), [4, 2])[0]
    assert halves.dtype == torch.bfloat16
    assert (halves - after[0]).abs().mean() < 1.2 * (own - after[0]).abs().mean()  # no further from the truth


def with_adapter() -> PreTrainedModel:
    config = peft.LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")
    return peft.get_peft_model(qwen3(), config).get_base_model()


def hooked() -> PreTrainedModel:
    model = qwen3()
    model.model.layers[0].mlp.register_forward_hook(lambda *_: None)
    return model


@pytest.mark.parametrize(
    "model",
    [
        with_adapter,
        hooked,
        lambda: model_of("llama", VOCABULARY),
        lambda: qwen3(hidden_act="gelu"),
        lambda: qwen3(rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0}),
        lambda: model_of("qwen3", VOCABULARY, attn_implementation="eager"),
    ],
)
def test_other_models_are_left_to_transformers(model: object) -> None:
    assert isinstance(pass_of(model()), TransformersPass)  # type: ignore[operator]


def test_a_hook_of_an_earlier_search_is_none_of_the_others() -> None:
    model = qwen3()
    TransformersPass(model)
    assert isinstance(pass_of(model), LeanQwen3)
