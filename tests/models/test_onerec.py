"""What holds for every model of the OneRec family: padding, batches, tasks, sessions and single steps agree."""

import pytest
import torch
from transformers.cache_utils import DynamicCache

from tests.models.tiny_models import (
    SHAPES,
    SIZES,
    loss_of,
    random_histories,
    random_sessions,
    row_of,
    step_by_step,
    tiny_model,
)

every_model = pytest.mark.parametrize("name", SHAPES)
one_way = pytest.mark.parametrize("name", ["causal", "lazy", "lazy_everything"])


@every_model
def test_a_batch_is_its_rows(name: str) -> None:
    """Lengths from none to many, and padding beyond the longest: the losses are those of each row alone."""
    model, lengths = tiny_model(name), [0, 1, 4, 7]
    history, targets = random_histories(lengths, width=9), random_sessions(4, 1, 2)
    together, levels = loss_of(model, history, targets)
    alone = [
        loss_of(model, row_of(history, row, length), targets[row : row + 1]) for row, length in enumerate(lengths)
    ]
    torch.testing.assert_close(together, torch.stack([loss for loss, _ in alone]).mean())
    torch.testing.assert_close(levels, torch.stack([parts for _, parts in alone]).mean(dim=0))
    assert len({round(loss.item(), 5) for loss, _ in alone}) == 4  # the history does matter


@every_model
def test_what_stands_on_padding_is_never_read(name: str) -> None:
    model, history, targets = tiny_model(name), random_histories([3, 6]), random_sessions(2, 2, 3)
    targets[0, 1], targets[1, 0, 2] = -100, -100  # no second task; a session of two
    before, _ = loss_of(model, history, targets)
    history.codes[0, 3:], history.rows[0, 3:], history.features[0, 3:] = 3, 2, 1
    after, _ = loss_of(model, history, targets)
    assert torch.equal(before, after)


@every_model
def test_missing_items_do_not_change_those_before_them(name: str) -> None:
    model, history, targets = tiny_model(name), random_histories([5]), random_sessions(1, 1, 3)
    targets[:, :, 2:] = -100
    short = loss_of(model, history, targets[:, :, :2])
    torch.testing.assert_close(loss_of(model, history, targets), short)


@every_model
def test_single_steps_are_the_whole_forward(name: str) -> None:
    model, history, session = tiny_model(name), random_histories([4]), random_sessions(1, 1, 3)
    steps = step_by_step(model, history, session[0, 0])
    loss, levels = loss_of(model, history, session)
    torch.testing.assert_close(levels, steps.mean(dim=0))
    per_item = steps.mean(dim=1) if name.startswith("lazy") else steps.sum(dim=1)  # V2 averages, OneRec adds up
    torch.testing.assert_close(loss, per_item.mean())


@every_model
def test_cold_start_sees_the_sink_only(name: str) -> None:
    model, session = tiny_model(name), random_sessions(1, 1, 2)
    empty = random_histories([0])
    torch.testing.assert_close(
        step_by_step(model, empty, session[0, 0]).mean(dim=0), loss_of(model, empty, session)[1]
    )
    assert model.encode(empty).mask.tolist() == [[True, False]]


@one_way
def test_all_tasks_at_once_are_one_task_at_a_time(name: str) -> None:
    model, history, targets = tiny_model(name), random_histories([6, 4]), random_sessions(2, 4, 2)
    visible = torch.tensor([[0, 2, 5, 6], [1, 3, 4, 0]])
    at_once, _ = loss_of(model, history, targets, visible)
    alone = [
        loss_of(model, row_of(history, row, int(visible[row, task])), targets[row : row + 1, task : task + 1])[0]
        for row in range(2)
        for task in range(4)
    ]
    torch.testing.assert_close(at_once, torch.stack(alone).mean())


@pytest.mark.parametrize("name", ["encoder_decoder", "experts"])
def test_an_encoder_that_looks_both_ways_has_one_task(name: str) -> None:
    model, history, targets = tiny_model(name), random_histories([6]), random_sessions(1, 2, 1)
    with pytest.raises(ValueError, match="give no visible"):
        loss_of(model, history, targets, torch.tensor([[2, 6]]))


@every_model
def test_bos_stands_before_every_item(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, history = tiny_model(name), random_histories([2])
    read: list[list[int]] = []
    original = model.codes.forward
    monkeypatch.setattr(model.codes, "forward", lambda ids: (read.append(ids.tolist()), original(ids))[1])
    loss_of(model, history, torch.tensor([[[[0, 1, 2], [4, 3, 5]]]]))
    assert read[-1] == [[0, 1, 7, 12, 0, 5, 9]]  # the last code predicts nothing


@every_model
def test_a_code_is_scored_against_its_level_only(name: str) -> None:
    """The loss of a level is the logarithm of its number of codes where all scores are alike."""
    model, history = tiny_model(name), random_histories([3])
    with torch.no_grad():
        (model.codes.weight if model.head is None else model.head.weight).zero_()
    _, levels = loss_of(model, history, random_sessions(1, 1, 2))
    torch.testing.assert_close(levels, torch.tensor(SIZES).log())


@every_model
def test_beams_side_by_side_are_beams_alone(name: str) -> None:
    """Two tokens of one place, which the mask keeps apart, answer as they do in sequences of their own."""
    model, history = tiny_model(name), random_histories([3])
    with torch.no_grad():
        memory = model.encode(history)

        def first_step(cache: DynamicCache) -> None:
            one = torch.zeros(1, 1, dtype=torch.int64)
            model.decode(one, one, torch.ones(1, 1, 1, dtype=torch.bool), memory, cache)

        shared = DynamicCache()
        first_step(shared)
        mask = torch.tensor([[[True, True, False], [True, False, True]]])
        both = model.decode(torch.tensor([[1, 4]]), torch.tensor([[1, 1]]), mask, memory, shared)
        for at, token in enumerate((1, 4)):
            own = DynamicCache()
            first_step(own)
            seen = torch.ones(1, 1, 2, dtype=torch.bool)
            alone = model.decode(torch.tensor([[token]]), torch.tensor([[1]]), seen, memory, own)
            torch.testing.assert_close(both[:, at], alone[:, 0])


@every_model
def test_losses_are_divided_by_what_the_trainer_counts(name: str) -> None:
    model, history, targets = tiny_model(name), random_histories([2, 5]), random_sessions(2, 1, 2)
    loss, _ = loss_of(model, history, targets)
    fed = (history.codes, history.rows, history.features, history.mask, targets)
    torch.testing.assert_close(model(*fed, num_items_in_batch=8).loss, loss / 2)
    nothing = model(*fed[:4], torch.full_like(targets, -100))
    assert nothing.loss.item() == 0.0


@every_model
def test_one_batch_can_be_learned(name: str) -> None:
    model, history, targets = tiny_model(name).train(), random_histories([4, 3, 0]), random_sessions(3, 1, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss, _ = loss_of(model, history, targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_an_item_begins_with_the_newest_event_where_asked() -> None:
    model, history = tiny_model("from_history"), random_histories([3, 1], width=4)
    memory = model.encode(history)
    tokens = torch.tensor([[[0, 1]], [[0, 1]]])
    added = model._beginnings(tokens, memory, None)
    assert isinstance(added, torch.Tensor)
    torch.testing.assert_close(added[:, 0], torch.stack([memory.states[0, 3], memory.states[1, 1]]))
    assert not added[:, 1].any()
    seen = model._beginnings(tokens[..., :1], memory, torch.tensor([[2], [0]]))
    assert isinstance(seen, torch.Tensor)
    torch.testing.assert_close(seen[:, 0], memory.states[[0, 1], [2, 0]])
    assert tiny_model("causal")._beginnings(tokens, memory, None) == 0


def test_dropout_leaves_what_an_item_begins_with_whole() -> None:
    """The codes' vectors can all be dropped; what came from the encoder stays."""
    model, history = tiny_model("from_history"), random_histories([3])
    with torch.no_grad():
        memory = model.encode(history)
        model.dropout.forward = torch.zeros_like
        codes = torch.zeros((1, 1, 1, len(SIZES)), dtype=torch.int64)
        seen, other = (
            model.decode_targets(memory._replace(states=states), codes, None)
            for states in (memory.states, memory.states + 1)
        )
    assert not torch.allclose(seen[..., 0, :], other[..., 0, :])
