"""OneRec-V2's lazy decoder: the history becomes keys that are values too, once, for all layers."""

import pytest
import torch
from torch import nn

from tests.models.tiny_models import loss_of, random_histories, random_sessions, tiny_model


def test_layers_have_no_projections_of_keys_and_values_of_the_history() -> None:
    model = tiny_model("lazy")
    for layer in model.layers:
        assert {name for name, _ in layer.cross_attention.named_parameters()} == {"query.weight", "output.weight"}
    # One matrix from the history to one head, and the norm of the keys: that is all.
    assert sum(weight.numel() for weight in model.memory.parameters()) == 16 * 4 + 4


def test_keys_are_the_values_turned_by_their_positions() -> None:
    memory = tiny_model("lazy").encode(random_histories([5]))
    (keys,), (values,) = memory.keys, memory.values
    assert keys.shape == values.shape == (1, 1, 1 + 5, 4)  # one group of heads
    torch.testing.assert_close(keys[:, :, 0], values[:, :, 0])  # position 0 is not turned
    assert not torch.allclose(keys[:, :, 1:], values[:, :, 1:])
    torch.testing.assert_close(keys.norm(dim=-1), values.norm(dim=-1))
    torch.testing.assert_close(values.square().mean(dim=-1), torch.ones(1, 1, 6), atol=1e-4, rtol=0)  # RMSNorm


def test_all_layers_read_the_same_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("lazy")
    read: list[int] = []
    for layer in model.layers:
        original = layer.cross_attention.forward

        def watch(states, keys, values, *rest, original=original):
            read.append(keys.data_ptr())
            return original(states, keys, values, *rest)

        monkeypatch.setattr(layer.cross_attention, "forward", watch)
    loss_of(model, random_histories([3]), random_sessions(1, 1, 1))
    assert len(read) == 3
    assert len(set(read)) == 1


def test_sets_of_keys_are_spread_over_the_layers() -> None:
    """Layer l of N reads set ⌊l · L_kv / N⌋."""
    model = tiny_model("lazy_everything")
    assert [layer.memory_set for layer in model.layers] == [0, 0, 1]
    memory = model.encode(random_histories([3]))
    assert len(memory.keys) == 2
    assert not torch.allclose(*memory.keys)


def test_values_of_their_own() -> None:
    memory = tiny_model("lazy_everything").encode(random_histories([3]))
    for keys, values in zip(memory.keys, memory.values, strict=True):
        assert keys.shape == (1, 2, 4, 4)  # two groups of heads
        assert not torch.allclose(keys[:, :, 0], values[:, :, 0])


def test_codes_of_an_item_are_averaged() -> None:
    loss, levels = loss_of(tiny_model("lazy"), random_histories([3, 4]), random_sessions(2, 1, 2))
    torch.testing.assert_close(loss, levels.mean())


def test_the_history_is_looked_at_before_the_codes() -> None:
    """Cross-attention, self-attention, feed-forward (V2); the encoder-decoder begins with self-attention."""
    for name, expected in (("lazy", "csf"), ("encoder_decoder", "scf")):
        model, order = tiny_model(name), []
        layer = model.layers[0]
        for letter, part in (("c", layer.cross_attention), ("s", layer.self_attention), ("f", layer.feed_forward)):
            part.register_forward_pre_hook(lambda *_, letter=letter, order=order: order.append(letter))
        loss_of(model, random_histories([3]), random_sessions(1, 1, 1))
        assert "".join(order) == expected


def test_self_attention_has_all_its_heads() -> None:
    layer = tiny_model("lazy").layers[0]
    assert isinstance(layer.self_attention.key, nn.Linear)
    assert layer.self_attention.key.weight.shape == (16, 16)
