"""GRU4Rec, HSTU, BERT4Rec and the losses: causal where they must be, able to learn, kept and restored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from genrec.data import Dataset
from genrec.models.sasrec import SasrecConfig
from genrec.models.sasrec.network import SasrecModel
from genrec.models.sasrec.next_item import NextItemModel, by_width, pad
from genrec_eval.baselines.bert4rec import Bert4rec, Bert4recModel
from genrec_eval.baselines.gru4rec import Gru4rec, Gru4recModel
from genrec_eval.baselines.hstu import Hstu, HstuModel
from genrec_eval.baselines.next_item import NextItemBaseline
from genrec_eval.baselines.sasrec import Sasrec, SasrecBce
from genrec_eval.baselines.settings import Bert4recConfig, Gru4recConfig, HstuConfig
from genrec_eval.metrics import accuracy
from tests.eval.conftest import MakeDataset

SIZE = {"embedding_size": 16, "layers": 1, "history_length": 8, "dropout": 0.0}
FAST = {**SIZE, "learning_rate": 0.02, "batch_size": 16, "epochs": 15}
CAUSAL: list[Callable[[], NextItemModel]] = [
    lambda: SasrecModel(20, SasrecConfig(**SIZE)),
    lambda: Gru4recModel(20, Gru4recConfig(**SIZE)),
    lambda: HstuModel(20, HstuConfig(**SIZE)),
]
METHODS: list[Callable[[], NextItemBaseline]] = [
    lambda: Gru4rec(Gru4recConfig(**FAST), exclude_seen=False),
    lambda: Hstu(HstuConfig(**FAST), exclude_seen=False),
    lambda: Bert4rec(Bert4recConfig(**{**FAST, "epochs": 30}), exclude_seen=False),
    lambda: SasrecBce(SasrecConfig(loss="bce", **FAST), exclude_seen=False),
    lambda: Sasrec(SasrecConfig(loss="sampled", negatives=6, schedule="linear", **FAST), exclude_seen=False),
]


@pytest.fixture
def ring(make_dataset: MakeDataset, rng: np.random.Generator) -> Dataset:
    """Users who walk round a circle of items."""
    return make_dataset([[(int(start) + at) % 9 for at in range(12)] for start in rng.integers(0, 9, 40)], 9)


@pytest.mark.parametrize("build", CAUSAL)
def test_later_items_do_not_change_earlier_states(build: Callable[[], NextItemModel]) -> None:
    torch.manual_seed(0)
    model = build().eval()
    first = torch.randint(0, 20, (3, 8))
    second = first.clone()
    second[:, 5:] = torch.randint(0, 20, (3, 3))
    with torch.no_grad():
        before, after = model(first), model(second)
        torch.testing.assert_close(before[:, :5], after[:, :5])
        torch.testing.assert_close(model(first[:, :5]), before[:, :5])
        assert not torch.allclose(before[:, 5:], after[:, 5:])
        histories = [row.numpy()[: 3 + at] for at, row in enumerate(first)]
        torch.testing.assert_close(model.last_states(histories)[1], before[1, 3])


def test_hstu_is_the_naive_formula() -> None:
    torch.manual_seed(0)
    layer = HstuModel(20, HstuConfig(**{**SIZE, "embedding_size": 4, "heads": 2})).layers[0].eval()
    with torch.no_grad():
        layer.distance.normal_()
    states = torch.randn(1, 5, 4)
    silu = torch.nn.functional.silu
    gate, value, query, key = silu(layer.project_in(layer.before(states)))[0].split(4, dim=1)
    mixed = torch.zeros(5, 4)
    for head in (slice(0, 2), slice(2, 4)):
        for to in range(5):
            for place in range(to + 1):
                weight = silu(query[to, head] @ key[place, head] + layer.distance[to - place]) / 8
                mixed[to, head] += weight * value[place, head]
    expected = states[0] + layer.project_out(layer.after(mixed) * gate)
    torch.testing.assert_close(layer(states)[0], expected)


def test_bert4rec_sees_both_ways_but_no_padding() -> None:
    torch.manual_seed(0)
    model = Bert4recModel(20, Bert4recConfig(**SIZE)).eval()
    with torch.no_grad():
        one = model(torch.tensor([[1, 21, 3, 4]]))
        other = model(torch.tensor([[1, 21, 3, 5]]))
        padded = model(torch.tensor([[1, 21, 3, 4, 20, 20]]))
    assert not torch.allclose(one[0, 1], other[0, 1])
    torch.testing.assert_close(one, padded[:, :4])


def test_bert4rec_masks_real_places_and_at_least_one_a_row() -> None:
    torch.manual_seed(0)
    model = Bert4recModel(20, Bert4recConfig(**{**SIZE, "masked": 0.2, "last_only": 0.5}))
    sequences = pad([np.arange(1 + row % 8) for row in range(400)], 20)
    hidden, real = model._hidden(sequences), sequences != 20
    assert not (hidden & ~real).any()
    assert hidden.any(1).all()
    last = hidden[torch.arange(400), real.sum(1) - 1]
    only = (hidden.sum(1) == 1) & last & (real.sum(1) == 8)
    assert 0.4 < only[real.sum(1) == 8].float().mean() < 0.8


def test_rows_are_grouped_by_width_without_loss(rng: np.random.Generator) -> None:
    sequences = pad([rng.integers(0, 20, length) for length in rng.integers(1, 40, 50)], 20)
    parts = by_width(sequences, 20)
    rows = [tuple(row[row != 20].tolist()) for part in parts for row in part]
    assert sorted(rows) == sorted(tuple(row[row != 20].tolist()) for row in sequences)
    for part in parts:
        lengths = (part != 20).sum(1)
        assert part.shape[1] <= max(4, 2 * int(lengths.min()))


def test_a_grouped_loss_is_the_loss_of_the_whole(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    model = SasrecModel(20, SasrecConfig(**{**SIZE, "history_length": 40})).eval()
    sequences = pad([rng.integers(0, 20, length) for length in rng.integers(2, 40, 30)], 20)
    grouped = model.loss(sequences)
    monkeypatch.setattr("genrec.models.sasrec.next_item.by_width", lambda rows, _: [rows])
    torch.testing.assert_close(grouped, model.loss(sequences))


def test_the_losses_against_negatives(monkeypatch: pytest.MonkeyPatch) -> None:
    states, targets = torch.randn(5, 16), torch.tensor([0, 1, 2, 3, 4])
    full = SasrecModel(7, SasrecConfig(**SIZE)).train()
    sampled = SasrecModel(7, SasrecConfig(loss="sampled", negatives=7, **SIZE)).train()
    binary = SasrecModel(7, SasrecConfig(loss="bce", **SIZE)).train()
    for model in (sampled, binary):
        model.load_state_dict(full.state_dict())
    # Every item drawn once: the target among the negatives does not count twice, so this is the full softmax.
    monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.arange(7))
    torch.testing.assert_close(sampled.loss_of(states, targets), full.loss_of(states, targets))
    monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.tensor([0, 2, 3, 4, 5]))
    logits = full.logits(states)
    right = -torch.nn.functional.logsigmoid(logits[range(5), targets])
    wrong = -torch.nn.functional.logsigmoid(-logits[range(5), [0, 2, 3, 4, 5]])
    wrong[0] = 0  # drawn where it is the target
    torch.testing.assert_close(binary.loss_of(states, targets), (right + wrong).mean())
    assert not torch.allclose(binary.loss_of(states, targets), full.loss_of(states, targets))


@pytest.mark.parametrize("method", METHODS)
def test_it_learns_a_circle_and_comes_back(ring: Dataset, method: Callable[[], NextItemBaseline]) -> None:
    test = ring.examples("test")
    fitted = method().fit(ring, seed=0)
    found = fitted.recommend(test.histories, 1)
    assert accuracy(found.items, test.targets, ks=(1,))["recall@1"] > 0.9
    restored = method().restore(ring, fitted.arrays(), seed=0).recommend(test.histories, 1)
    np.testing.assert_array_equal(restored.items, found.items)
    np.testing.assert_array_equal(restored.scores, found.scores)
