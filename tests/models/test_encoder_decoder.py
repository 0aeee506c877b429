"""OneRec's encoder-decoder: what an event may see, keys and values of every layer, losses added up."""

import pytest
import torch

from genrec.models.histories import HistoryBatch
from tests.models.tiny_models import loss_of, random_histories, random_sessions, tiny_model


def _encoded(name: str, history: HistoryBatch) -> torch.Tensor:
    """The keys of the last decoder layer, [batch, heads, 1 + events, head_size]."""
    with torch.no_grad():
        return tiny_model(name).encode(history).keys[-1]


@pytest.mark.parametrize(("name", "looks_ahead"), [("encoder_decoder", True), ("causal", False)])
def test_events_see_later_ones_only_where_the_encoder_looks_both_ways(name: str, looks_ahead: bool) -> None:
    history, other = random_histories([5]), random_histories([5])
    other.codes[:, 4] = (other.codes[:, 4] + 1) % 4
    before, after = _encoded(name, history), _encoded(name, other)
    assert not torch.allclose(before[:, :, 5], after[:, :, 5])
    assert torch.allclose(before[:, :, :5], after[:, :, :5]) != looks_ahead


def test_the_order_of_events_matters() -> None:
    history, targets = random_histories([5]), random_sessions(1, 1, 1)
    turned = HistoryBatch(*(part.flip(1) for part in (history.codes, history.rows, history.features, history.mask)))
    for name in ("encoder_decoder", "causal", "lazy"):
        model = tiny_model(name)
        assert not torch.allclose(loss_of(model, history, targets)[0], loss_of(model, turned, targets)[0])


def test_every_layer_has_keys_and_values_of_its_own() -> None:
    memory = tiny_model("encoder_decoder").encode(random_histories([3]))
    assert len(memory.keys) == len(memory.values) == 2
    for one, other in (memory.keys, memory.values, (memory.keys[0], memory.values[0])):
        assert not torch.allclose(one, other)


def test_codes_of_an_item_are_added_up() -> None:
    model = tiny_model("encoder_decoder")
    loss, levels = loss_of(model, random_histories([3, 4]), random_sessions(2, 1, 2))
    torch.testing.assert_close(loss, levels.sum())


def test_later_items_depend_on_earlier_ones_of_the_session() -> None:
    """And not the other way round: the decoder is causal across the items."""
    model, history, session = tiny_model("encoder_decoder"), random_histories([3]), random_sessions(1, 1, 2)
    first_changed, last_changed = session.clone(), session.clone()
    first_changed[0, 0, 0, 0] = (session[0, 0, 0, 0] + 1) % 5
    last_changed[0, 0, 1, 0] = (session[0, 0, 1, 0] + 1) % 5

    def of_item(targets: torch.Tensor, item: int) -> torch.Tensor:
        states = model.decode_targets(model.encode(history), targets, None)
        return states[0, 0, item]

    assert not torch.allclose(of_item(session, 1), of_item(first_changed, 1))
    torch.testing.assert_close(of_item(session, 0), of_item(last_changed, 0))


def test_vectors_of_items_are_left_out_now_and_then_in_training_only() -> None:
    model, history, targets = tiny_model("encoder_decoder"), random_histories([9]), random_sessions(1, 1, 1)
    model.events.item_dropout = 0.5
    still = {loss_of(model, history, targets)[0].item() for _ in range(3)}
    model.train()
    moving = {loss_of(model, history, targets)[0].item() for _ in range(5)}
    assert len(still) == 1 < len(moving)
